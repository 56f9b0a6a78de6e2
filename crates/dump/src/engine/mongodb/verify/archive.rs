//! The archive, read from its beginning to its end.

use std::collections::BTreeSet;

use autodump_core::ports::ObjectReader;
use autodump_core::{ErrorClass, Result};

use crate::engine::mongodb::archive::{Joined, Known};
use crate::engine::mongodb::restore::definition::Definition;
use crate::engine::mongodb::restore::pieces::{differences, digests};
use crate::engine::mongodb::stored::Stored;
use crate::rows::RowDigest;
use crate::verify::compare::read_all;
use crate::verify::content::{File, Files, Held, Use};
use crate::verify::found::Found;
use crate::verify::pieces::{ArchivePiece, Holds};

/// What an archive holds.
pub(super) struct Read {
    pub(super) known: Known,
    /// What the documents of each collection are.
    pub(super) digests: Vec<RowDigest>,
}

/// Reads and compares every object, and the archive to its end. Nothing where that is damaged.
pub(super) async fn read<R: ObjectReader>(
    files: &Files<'_, R>,
    stored: &Stored<'_>,
    jobs: u16,
) -> Result<Option<Read>> {
    let known = match stored.known(files.reader).await {
        Ok(known) => Some(known),
        Err(error) if error.class() == ErrorClass::Verification => {
            files.found.problem(error.what());
            None
        }
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    let mut planned = BTreeSet::new();
    if let Some(known) = &known {
        planned.extend(stored.objects.iter().map(|object| object.key.as_str()));
        let holds = Holds::Archive(stored.algorithm, known.clone());
        all.push(File { objects: stored.objects.clone(), used: Use::Decode(holds) });
    }
    let others = files.backup.manifest.objects.iter();
    let others = others.filter(|object| !planned.contains(object.key.as_str()));
    all.extend(others.map(|object| File { objects: vec![object], used: Use::Compare }));
    let held = read_all(files, all, jobs).await?;
    let pieces = held.into_iter().find_map(|(_, held)| match held {
        Held::Archive(pieces) => Some(pieces),
        Held::Nothing | Held::Bytes(_) | Held::Rows(_) => None,
    });
    let (Some(known), Some(pieces)) = (known, pieces) else { return Ok(None) };
    let digests = compare(files, &known, &pieces);
    Ok(Some(Read { known, digests }))
}

/// Compares what the pieces hold with each other and with the manifest.
fn compare<R>(files: &Files<'_, R>, known: &Known, pieces: &[ArchivePiece]) -> Vec<RowDigest> {
    let found: &Found = files.found;
    let mut joined = Joined::new(known);
    let wrong: Vec<_> = pieces.iter().flat_map(|piece| joined.add(&piece.parts)).collect();
    for wrong in wrong.into_iter().chain(joined.finish()) {
        found.problem(wrong);
    }
    let digests = digests(known, pieces.iter().flat_map(|piece| &piece.digests));
    for wrong in differences(&files.backup.manifest.tables, known, &digests) {
        found.problem(wrong);
    }
    for collection in &known.prelude.collections {
        if let Err(error) = Definition::of(collection) {
            found.problem(error.what());
        }
    }
    for (collection, digest) in known.prelude.collections.iter().zip(&digests) {
        if collection.kind != "view" {
            found.table(digest.rows);
        }
    }
    digests
}
