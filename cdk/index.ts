export * from './autodump';
export * from './parquet-to-csv';
export * from './parquet-to-csv-props';
export * from './props';
export * from './source-role';
