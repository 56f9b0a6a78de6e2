use super::*;
use crate::engine::postgres::toc::Section;

fn entry(copy: Option<&str>) -> Entry {
    Entry {
        dump_id: 1,
        had_dumper: true,
        catalogue: 0,
        oid: 1,
        tag: Some(b"t".to_vec()),
        desc: Some(b"TABLE DATA".to_vec()),
        section: Section::Data,
        defn: None,
        drop_stmt: None,
        copy_stmt: copy.map(|copy| copy.as_bytes().to_vec()),
        namespace: Some(b"app".to_vec()),
        tablespace: None,
        tableam: None,
        relkind: 0,
        owner: None,
        with_oids: None,
        dependencies: Vec::new(),
        file_name: None,
    }
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
        assert_eq!(columns(&entry(copy)).as_deref(), expected, "{copy:?}");
    }
}
