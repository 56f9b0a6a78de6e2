//! Everything that a database may hold, `crates/local/sql/exotic.sql`: made, and compared.

use std::collections::BTreeSet;
use std::path::Path;

use super::postgres::Server;

/// Makes it, as the database `shop`.
pub(crate) fn make(server: &Server) {
    server.sql("postgres", "CREATE DATABASE shop");
    script(server, "shop", "exotic.sql");
}

/// One line per thing that has to be the same after a restore.
pub(crate) fn fingerprint(server: &Server, database: &str) -> String {
    script(server, database, "fingerprint.sql")
}

pub(crate) fn assert_same(source: &str, copy: &str, what: &str) {
    let without = |these: &str, those: &str| -> Vec<String> {
        let those: BTreeSet<_> = those.lines().collect();
        these.lines().filter(|line| !those.contains(line)).map(str::to_owned).collect()
    };
    assert_eq!(without(source, copy), without(copy, source), "{what}");
    assert!(source == copy, "{what}: the same lines, more often or in another order");
}

/// What a script of `crates/local/sql` prints.
fn script(server: &Server, database: &str, name: &str) -> String {
    let done = server
        .client("psql")
        .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-f"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/sql").join(name))
        .output()
        .unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
