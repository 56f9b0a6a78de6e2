export * from './autodump';
export * from './props';
export * from './source-role';
