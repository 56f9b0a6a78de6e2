/** Where the backups of databases lie in a bucket. */
export const DATABASES = 'postgres/';
/** Where the backups of tables lie in a bucket. */
export const TABLES = 'dynamodb/';
/** What a run of a table remembers while it goes on, and what DynamoDB exports for it. */
export const TABLE_STATE = `${TABLES}*/state/*`;
export const TABLE_EXPORT = `${TABLES}*/export/*`;
