/** Where the dumps of databases lie in a bucket, by engine. */
export const DATABASES = ['postgres/', 'mongodb/'];
/** Where the backups of tables lie in a bucket. */
export const TABLES = 'dynamodb/';
/** What a run of a table remembers while it goes on, and what DynamoDB exports for it. */
export const TABLE_STATE = `${TABLES}*/state/*`;
export const TABLE_EXPORT = `${TABLES}*/export/*`;
/** Where the backups of databases of RDS lie in a bucket. */
export const SNAPSHOTS = 'rds/';
/** What a run of one remembers, what RDS writes for it, and what that says of itself. */
export const SNAPSHOT_STATE = `${SNAPSHOTS}*/state/*`;
export const SNAPSHOT_MANIFEST = `${SNAPSHOTS}*/manifest.json`;
export const SNAPSHOT_EXPORT = `${SNAPSHOTS}*/export/*`;
export const SNAPSHOT_LISTS = `${SNAPSHOT_EXPORT}/export_*.json`;
