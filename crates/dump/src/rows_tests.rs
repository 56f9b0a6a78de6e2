use proptest::prelude::*;

use super::*;

fn digest<'a>(rows: impl IntoIterator<Item = &'a [u8]>) -> RowDigest {
    let mut digest = RowDigest::default();
    rows.into_iter().for_each(|row| digest.add(row));
    digest
}

#[test]
fn the_digest_is_the_documented_one() {
    assert_eq!(digest([]).hex(), "0".repeat(32));
    // XXH3-128 of nothing with seed 0, by the reference implementation (`xxhsum -H2`).
    let empty = digest([&b""[..]]);
    assert_eq!((empty.rows, empty.hex().as_str()), (1, "99aa06d3014798d86001c324468d497f"));
    let twice = digest([&b""[..], b""]);
    assert_eq!(twice.sum, empty.sum.wrapping_mul(2));
}

fn scanned(pieces: &[&[u8]]) -> Result<RowDigest> {
    let mut scanner = RowScanner::default();
    for piece in pieces {
        scanner.write(piece)?;
    }
    scanner.finish()
}

#[test]
fn the_end_marker_is_a_line_of_its_own_and_the_last() {
    let rows = |file: &[u8]| scanned(&[file]).map(|digest| digest.rows);
    assert_eq!(rows(b"\\.\n\n\n").unwrap(), 0);
    assert_eq!(rows(b"a\tb\n\\N\n\\.\n\n\n").unwrap(), 2);
    // Rows of a table without columns are empty lines.
    assert_eq!(rows(b"\n\n\\.\n\n\n").unwrap(), 2);
    assert_eq!(rows(b"x\\.\n\\.x\n\\\\.\n\\.\n").unwrap(), 3);
    for (file, what) in [
        (&b""[..], "the end marker is missing, after 0 rows"),
        (b"a\n", "the end marker is missing, after 1 rows"),
        (b"a\n\\.", "the end marker is missing"),
        (b"a\n\\.\nb\n", "there is more after the end marker"),
        (b"\\.\n\n\n\\.\n", "there is more after the end marker"),
    ] {
        let error = scanned(&[file]).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification);
        assert!(error.what().starts_with(what), "{error}");
    }
}

proptest! {
    #[test]
    fn neither_cuts_nor_order_change_the_digest(
        rows in prop::collection::vec("[a-c\\\\.\t]{0,6}|[a-z]{300}", 0..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let rows: Vec<_> = rows.into_iter().filter(|row| row != "\\.").collect();
        let mut file = rows.join("\n");
        file.push_str(if rows.is_empty() { "\\.\n\n\n" } else { "\n\\.\n\n\n" });
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(file.len())).collect();
        at.extend([0, file.len()]);
        at.sort_unstable();
        let pieces: Vec<_> = at.windows(2).map(|ends| &file.as_bytes()[ends[0]..ends[1]]).collect();
        let expected = digest(rows.iter().rev().map(String::as_bytes));
        prop_assert_eq!(scanned(&pieces).unwrap(), expected);

        let (first, second) = rows.split_at(rows.len() / 2);
        let mut merged = digest(first.iter().map(String::as_bytes));
        merged.merge(digest(second.iter().map(String::as_bytes)));
        prop_assert_eq!(merged, expected);
        let mut parts = RowDigest::default();
        for row in &rows {
            parts.add_parts(row.as_bytes().chunks(2));
        }
        prop_assert_eq!(parts, expected);
    }

    #[test]
    fn any_other_rows_have_another_digest(
        rows in prop::collection::vec("[a-c]{0,3}", 1..9),
        index in any::<prop::sample::Index>(),
    ) {
        let lost = index.index(rows.len());
        let before = digest(rows.iter().map(String::as_bytes));
        let mut fewer = rows.clone();
        fewer.remove(lost);
        prop_assert_ne!(digest(fewer.iter().map(String::as_bytes)).sum, before.sum);
        let mut changed = rows;
        changed[lost].push('d');
        prop_assert_ne!(digest(changed.iter().map(String::as_bytes)).sum, before.sum);
    }
}
