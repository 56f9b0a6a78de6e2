export * from './autodump';
