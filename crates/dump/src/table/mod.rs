//! Backups of DynamoDB tables, and their restore: `docs/adr/0006-tables-by-segments.md`.

pub mod exported;
