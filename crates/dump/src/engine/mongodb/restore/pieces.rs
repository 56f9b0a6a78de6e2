//! The pieces of an archive, and what is compared when all of them were read.

use autodump_core::Result;
use autodump_core::manifest::Table;
use crc_fast::{CrcAlgorithm, checksum_combine};

use super::unpack::Seen;
use crate::engine::mongodb::archive::{Collection, Joined, Known, Namespace};
use crate::engine::mongodb::stored::{Part, Stored};
use crate::object::broken;
use crate::rows::RowDigest;
use crate::verify::compare::difference;

/// A piece that is read without the others.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) number: usize,
    pub(super) parts: Vec<Part>,
}

impl Piece {
    /// All of an archive, in order.
    pub(super) fn all(stored: &Stored<'_>) -> Result<Vec<Self>> {
        let pieces = stored.pieces()?.into_iter().enumerate();
        Ok(pieces.map(|(number, parts)| Self { number, parts }).collect())
    }

    /// For people: where it lies.
    pub(super) fn shown(&self) -> String {
        self.parts.first().map(Part::shown).unwrap_or_default()
    }
}

/// What was read of the whole archive, by collections. What is not as the manifest says, or as the
/// archive itself does, is an error of class verification.
pub(super) fn compared(
    stored: &Stored<'_>,
    known: &Known,
    pieces: &[Piece],
    seen: &[Seen],
) -> Result<Vec<RowDigest>> {
    objects(stored, pieces, seen)?;
    let mut joined = Joined::new(known);
    let wrong: Vec<_> = seen.iter().flat_map(|seen| joined.add(&seen.collections)).collect();
    if let Some(first) = wrong.into_iter().chain(joined.finish()).next() {
        return Err(broken(format!("the archive of {}: {first}", stored.backup.uri())));
    }
    let digests = digests(known, seen.iter().flat_map(|seen| &seen.digests));
    match differences(&stored.backup.manifest.tables, known, &digests).into_iter().next() {
        Some(first) => Err(broken(format!("the archive of {}: {first}", stored.backup.uri()))),
        None => Ok(digests),
    }
}

/// The sums of what pieces say, by collections.
pub(in super::super) fn digests<'a>(
    known: &Known,
    pieces: impl Iterator<Item = (&'a usize, &'a RowDigest)>,
) -> Vec<RowDigest> {
    let mut all = vec![RowDigest::default(); known.prelude.collections.len()];
    for (collection, digest) in pieces {
        all[*collection].merge(*digest);
    }
    all
}

/// In what the archive's collections are not those of the manifest: sentences without their full
/// stops. What the manifest does not count, such as users, may be there besides.
pub(in super::super) fn differences(
    tables: &[Table],
    known: &Known,
    digests: &[RowDigest],
) -> Vec<String> {
    let mut wrong = strangers(tables, known);
    for (collection, digest) in known.prelude.collections.iter().zip(digests) {
        let Namespace { database, collection: name } = &collection.namespace;
        let table = tables.iter().find(|table| table.schema == *database && table.name == *name);
        let difference = table.and_then(|table| difference(digest, table));
        wrong.extend(
            difference
                .map(|difference| format!("the collection {database}.{name} has {difference}")),
        );
    }
    wrong
}

/// The same for their names alone.
pub(super) fn strangers(tables: &[Table], known: &Known) -> Vec<String> {
    let mut wrong = Vec::new();
    let collections = &known.prelude.collections;
    for Collection { namespace: Namespace { database, collection: name }, .. } in collections {
        let is_known = tables.iter().any(|t| t.schema == *database && t.name == *name);
        if !is_known && is_counted(database, name) {
            wrong.push(format!("the manifest does not know the collection {database}.{name}"));
        }
    }
    for table in tables {
        let (database, name) = (&table.schema, &table.name);
        let is_it = |of: &Namespace| of.database == *database && of.collection == *name;
        if !collections.iter().any(|collection| is_it(&collection.namespace)) {
            wrong.push(format!("the collection {database}.{name} is not in the archive"));
        }
    }
    wrong
}

/// Neither the oplog nor users and roles.
fn is_counted(database: &str, name: &str) -> bool {
    !database.is_empty() && database != "admin" && !name.starts_with("$admin.")
}

/// Compares the objects: their parts' checksums together.
fn objects(stored: &Stored<'_>, pieces: &[Piece], seen: &[Seen]) -> Result<()> {
    let mut sums: Vec<(Option<u64>, u64)> = vec![(None, 0); stored.objects.len()];
    for (piece, seen) in pieces.iter().zip(seen) {
        for (part, (crc, length)) in piece.parts.iter().zip(&seen.parts) {
            let (sum, bytes) = &mut sums[part.object];
            *sum =
                Some(sum.map_or(*crc, |sum| {
                    checksum_combine(CrcAlgorithm::Crc64Nvme, sum, *crc, *length)
                }));
            *bytes += length;
        }
    }
    for (object, (crc, bytes)) in stored.objects.iter().zip(sums) {
        stored.compare(object, bytes, crc.unwrap_or_default())?;
    }
    Ok(())
}
