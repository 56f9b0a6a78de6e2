//! How `pg_dump` is called.

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::options::Selection;
use autodump_core::pattern::Pattern;
use std::path::Path;

use super::catalog::Table;
use super::clients::Client;
use super::sql::identifier;
use crate::child::Command;

/// From this version `--compress` takes an algorithm.
const ALGORITHMS: u32 = 16;
/// The most that one argument may have; the kernel's limit is 128 KiB.
const ARGUMENT: usize = 100_000;

/// `pg_dump` in directory format into `directory`, without the connection. A pattern of what is
/// to be dumped that fits nothing is an error.
pub(super) fn pg_dump(
    client: &Client,
    directory: &Path,
    selection: &Selection,
    compression: Compression,
) -> Command {
    client
        .command("pg_dump")
        .arguments(["--format=directory", "--no-password", "--strict-names", "--no-sync"])
        .arguments([format!("--compress={}", compress(client, compression))])
        .arguments([format!("--file={}", directory.display())])
        .arguments(selected(selection))
}

fn compress(client: &Client, compression: Compression) -> String {
    if client.major >= ALGORITHMS {
        return compression.to_string();
    }
    compression.level().to_string()
}

fn selected(selection: &Selection) -> impl Iterator<Item = String> {
    let lists: [(&str, &[Pattern]); 5] = [
        ("table", &selection.tables),
        ("exclude-table", &selection.exclude_tables),
        ("schema", &selection.schemas),
        ("exclude-schema", &selection.exclude_schemas),
        ("exclude-table-data", &selection.exclude_table_data),
    ];
    lists.into_iter().flat_map(|(option, patterns)| {
        patterns.iter().map(move |pattern| format!("--{option}={pattern}"))
    })
}

/// Arguments that keep `pg_dump` from reading the rows of these tables: a pattern for each
/// schema, in which the names are alternatives.
pub(super) fn without_rows(tables: &[Table]) -> Vec<String> {
    let mut names: Vec<_> =
        tables.iter().map(|table| (&table.name.schema, &table.name.table)).collect();
    names.sort();
    let mut arguments = Vec::new();
    let mut open: Option<(&String, String)> = None;
    for (schema, table) in names {
        let quoted = identifier(table);
        match &mut open {
            Some((same, list)) if *same == schema && list.len() + quoted.len() < ARGUMENT => {
                list.push('|');
                list.push_str(&quoted);
            }
            _ => {
                arguments.extend(open.take().map(closed));
                open = Some((schema, quoted));
            }
        }
    }
    arguments.extend(open.take().map(closed));
    arguments
}

fn closed((schema, list): (&String, String)) -> String {
    format!("--exclude-table-data={}.({list})", identifier(schema))
}

/// Which compressions this `pg_dump` was built with. It says so before it connects.
pub(super) async fn supports(client: &Client, algorithm: Algorithm) -> bool {
    match algorithm {
        Algorithm::None | Algorithm::Gzip => return true,
        Algorithm::Zstd | Algorithm::Lz4 if client.major < ALGORITHMS => return false,
        Algorithm::Zstd | Algorithm::Lz4 => {}
    }
    let arguments = [
        "--format=custom".to_owned(),
        "--file=/dev/null".to_owned(),
        "--host=/nonexistent".to_owned(),
        format!("--compress={}", algorithm.as_str()),
    ];
    let command = client.command("pg_dump").arguments(arguments).discreet();
    match command.output(4096, std::time::Duration::from_secs(20)).await {
        Ok((_, exit)) => !exit.stderr.contains("compress"),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Name;
    use super::*;

    #[test]
    fn tables_are_left_out_by_schema_and_in_arguments_of_bearable_length() {
        let table = |schema: &str, table: &str| Table {
            name: Name {
                oid: 1,
                schema: schema.to_owned(),
                table: table.to_owned(),
                qualified: String::new(),
                with_rows: true,
            },
            columns: String::new(),
            pages: 0,
            bytes: 0,
            has_ranges: true,
        };
        let tables = [table("b", "x"), table("A", "o\"x"), table("b", "a.b")];
        assert_eq!(
            without_rows(&tables),
            [
                "--exclude-table-data=\"A\".(\"o\"\"x\")",
                "--exclude-table-data=\"b\".(\"a.b\"|\"x\")"
            ]
        );
        let many: Vec<_> = (0..20_000).map(|n| table("s", &format!("table_{n:06}"))).collect();
        let arguments = without_rows(&many);
        assert!(arguments.len() > 2 && arguments.iter().all(|a| a.len() < ARGUMENT + 100));
        assert_eq!(arguments.iter().map(|a| a.matches("table_").count()).sum::<usize>(), 20_000);
        assert!(without_rows(&[]).is_empty());
    }
}
