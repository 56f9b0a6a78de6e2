export * from './autodump';
export * from './props';
