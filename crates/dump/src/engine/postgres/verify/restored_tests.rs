use super::*;
use crate::engine::postgres::toc::Section;
use crate::engine::postgres::toc::samples::{bytes, entry};

fn rows(copy: Option<&str>) -> Entry {
    let rows = entry(1, "TABLE DATA", "t", Section::Data);
    Entry { copy_stmt: bytes(copy), namespace: bytes("app"), ..rows }
}

#[test]
fn columns_are_those_of_the_statement_that_loads_the_rows() {
    for (copy, expected) in [
        (Some("COPY app.t (id, \"na(me)\") FROM stdin;\n"), Some("id, \"na(me)\"")),
        (Some("COPY \"a(b\".\"t) (\" (id) FROM stdin;\n"), Some("id")),
        (Some("COPY app.t  FROM stdin;\n"), Some("")),
        (Some("INSERT"), None),
        (None, None),
    ] {
        assert_eq!(columns(&rows(copy)).as_deref(), expected, "{copy:?}");
    }
}
