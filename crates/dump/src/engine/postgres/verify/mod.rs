//! Whether a backup of PostgreSQL can be restored.
//!
//! - `archive`: the table of contents is parsed, and every data file is decompressed to its end,
//!   each of its segments by itself; rows are counted, hashed and compared.
//! - `restore`: then the backup is restored into an empty database, where every relation has to
//!   be, and the rows of each table are read, hashed and compared.
//!
//! Subscriptions and event triggers are not restored.

mod altered;
pub(crate) mod archive;
mod database;
mod extensions;
mod meaning;
mod needs;
mod privileges;
mod programs;
mod readable;
mod restored;
mod server;
mod trial;

pub(crate) use self::trial::Trial;
