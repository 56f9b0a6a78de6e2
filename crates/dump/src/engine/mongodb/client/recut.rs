//! The archive of `mongodump`, cut anew on its way.

use std::collections::HashSet;

use super::super::archive::{
    Collection, Namespace, Prelude, Sum, Visitor, begin_block, end_block, end_collection,
};
use crate::rows::RowDigest;

/// The documents of a block of ours have at least so many bytes, where others follow.
const BLOCK: usize = 1 << 20;
/// What `mongodump` calls the users, roles and their version of one database begins so.
pub(super) const OF_ADMIN: &str = "$admin.";

/// Which of the collections that `mongodump` dumps are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// All.
    All,
    /// All but these.
    AllBut(HashSet<Namespace>),
    /// These of a database, and its users and roles. One that was made after they were chosen
    /// may be one that is to be left out.
    Chosen(HashSet<String>),
}

impl Scope {
    fn has(&self, namespace: &Namespace) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(these) => !these.contains(namespace),
            Self::Chosen(names) => {
                let name = &namespace.collection;
                names.contains(name) || name.starts_with(OF_ADMIN)
            }
        }
    }
}

/// What is told of an archive becomes one of our own: with the same collections but those that are
/// left out, in the same order, in blocks of other lengths. Keeps one block.
#[derive(Debug)]
pub(super) struct Recut {
    scope: Scope,
    /// By their numbers; `None` for one that is left out.
    collections: Vec<Option<State>>,
    /// The collection of the block that has begun, and its documents.
    block: (usize, Vec<u8>),
    ready: Vec<u8>,
}

/// What is known of a collection.
#[derive(Debug)]
struct State {
    declared: Namespace,
    /// As its blocks name it.
    stored: Namespace,
    digest: RowDigest,
    sum: Sum,
}

impl Recut {
    pub(super) const fn new(scope: Scope) -> Self {
        Self { scope, collections: Vec::new(), block: (0, Vec::new()), ready: Vec::new() }
    }

    /// Bytes of the archive that wait to be taken.
    pub(super) const fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes what is ready: whole blocks. What the block that has begun holds is not in it.
    pub(super) fn take(&mut self, with: impl FnOnce(&[u8])) {
        with(&self.ready);
        self.ready.clear();
    }

    /// Ends the block that has begun.
    pub(super) fn end_block(&mut self) {
        let (number, documents) = &mut self.block;
        if documents.is_empty() {
            return;
        }
        if let Some(Some(state)) = self.collections.get_mut(*number) {
            begin_block(&state.stored, &mut self.ready);
            self.ready.extend_from_slice(documents);
            end_block(&mut self.ready);
            state.sum = state.sum.and(Sum::of(documents));
        }
        documents.clear();
    }

    /// The collections that were kept, with what their documents are together.
    pub(super) fn finish(self) -> Vec<(Namespace, RowDigest)> {
        let kept = self.collections.into_iter().flatten();
        kept.map(|state| (state.declared, state.digest)).collect()
    }
}

impl Visitor for Recut {
    fn prelude(&mut self, prelude: &Prelude) {
        let state = |collection: &Collection| {
            self.scope.has(&collection.namespace).then(|| State {
                declared: collection.namespace.clone(),
                stored: collection.stored(),
                digest: RowDigest::default(),
                sum: Sum::default(),
            })
        };
        self.collections = prelude.collections.iter().map(state).collect();
        let kept = prelude.collections.iter().zip(&self.collections);
        let kept = kept.filter(|(_, state)| state.is_some()).map(|(collection, _)| collection);
        let prelude = Prelude { collections: kept.cloned().collect(), ..prelude.clone() };
        prelude.write(&mut self.ready);
    }

    fn document(&mut self, collection: usize, document: &[u8]) {
        let Some(Some(state)) = self.collections.get_mut(collection) else { return };
        state.digest.add(document);
        if self.block.0 != collection || self.block.1.len() >= BLOCK {
            self.end_block();
            self.block.0 = collection;
        }
        self.block.1.extend_from_slice(document);
    }

    fn end(&mut self, collection: usize) {
        self.end_block();
        if let Some(Some(state)) = self.collections.get(collection) {
            end_collection(&state.stored, state.sum, &mut self.ready);
        }
    }
}

#[cfg(test)]
#[path = "recut_tests.rs"]
mod tests;
