//! How far a restore got, for whoever has to tidy up after it.

use std::sync::{Mutex, PoisonError};

use autodump_core::Error;

use super::Phase;
use super::names::few;

/// What the database was like before anything was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// It was not there.
    Absent,
    /// It was there, without anything of users.
    Empty,
    /// It had something, and what the backup has too was dropped.
    Cleaned,
    /// It had something.
    Populated,
    /// Its tables, or what the engine has instead, were there, and are filled.
    Tables {
        /// There may be rows of others in them.
        may_have_rows: bool,
    },
}

/// How an engine speaks of what it restores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    /// What is made or filled, such as `table`. Several of them end with an `s`.
    pub(crate) thing: &'static str,
    /// With what it is filled, such as `rows`.
    pub(crate) filling: &'static str,
    /// What else may have been done where things are only filled, such as `, and sequences set`.
    pub(crate) besides: &'static str,
}

/// What is known of the database that is restored into.
#[derive(Debug)]
pub(crate) struct Situation {
    pub(crate) database: String,
    pub(crate) before: Before,
    pub(crate) words: Words,
    /// The names of what is made, or filled, as people see them.
    pub(crate) things: Vec<String>,
}

/// What was done so far.
#[derive(Debug, Default)]
pub(crate) struct State(Mutex<Option<Reached>>);

#[derive(Debug)]
struct Reached {
    situation: Situation,
    phase: Option<Phase>,
    made: bool,
}

impl State {
    /// All checks were passed: from here on something may be changed.
    pub(crate) fn begin(&self, situation: Situation) {
        *self.lock() = Some(Reached { situation, phase: None, made: false });
    }

    /// Whether something may have been changed.
    pub(crate) fn has_begun(&self) -> bool {
        self.lock().is_some()
    }

    pub(crate) fn reached(&self, phase: Phase) {
        if let Some(reached) = self.lock().as_mut() {
            reached.phase = Some(phase);
        }
    }

    /// The database was not there, and is now.
    pub(crate) fn made(&self) {
        if let Some(reached) = self.lock().as_mut() {
            reached.made = true;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Reached>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error, with what is to be known about the database.
    pub(crate) fn told_with(&self, error: Error) -> Error {
        let hint = error.hint();
        let state = self.lock();
        let left = state.as_ref().and_then(Reached::left);
        let hint = left.map_or_else(
            || hint.to_owned(),
            |left| format!("{}. {left}", hint.trim_end_matches('.')),
        );
        // Words of others may end with a full stop, and one follows.
        let what = error.what().trim_end_matches('.').to_owned();
        Error::new(error.class(), what, hint.trim_end_matches('.')).caused_by(error)
    }
}

impl Reached {
    /// What is left behind, and what to do with it; nothing where nothing was changed, or where
    /// the error itself says what was.
    fn left(&self) -> Option<String> {
        let phase = self.phase.filter(|phase| *phase != Phase::Clean)?;
        let Situation { database, before, words, things } = &self.situation;
        let Words { thing, filling, besides } = words;
        let phase = phase.as_str();
        let named = match things.as_slice() {
            [] => format!("no {thing}"),
            [name] => format!("the {thing} {name}"),
            names => format!("the {} {thing}s {}", names.len(), few(names)),
        };
        Some(match before {
            Before::Absent if !self.made => return None,
            Before::Absent | Before::Empty => format!(
                "The database {database} holds only a part of the backup (it came to {phase}): \
                 drop it and make it anew, or restore again with clean"
            ),
            Before::Cleaned => format!(
                "Of what the backup has too, which was dropped, the database {database} holds \
                 only a part (it came to {phase}): {named} and what belongs to them. Nothing else \
                 in it was touched: restore again with clean"
            ),
            Before::Populated => format!(
                "In the database {database}, which was not empty, {named} and what belongs to \
                 them may have been made, wholly or in part (it came to {phase}). Nothing else in \
                 it was touched: drop what was made, and not the database, before you try again"
            ),
            Before::Tables { may_have_rows } => {
                let remedy = if *may_have_rows {
                    format!(
                        "delete the {filling} that were added before you try again, and not those \
                         that were there"
                    )
                } else {
                    format!("empty these {thing}s, which were empty, before you try again")
                };
                let (first, others) = filling.split_at(1);
                format!(
                    "{}{others} may have been added to {named} of the database {database}{besides} \
                     (it came to {phase}). Nothing else in it was touched: {remedy}",
                    first.to_ascii_uppercase()
                )
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use autodump_core::ErrorClass;

    use super::*;

    fn told(before: Before, phase: Option<Phase>, made: bool) -> Error {
        let state = State::default();
        let things = vec!["app.a".to_owned(), "app.b".to_owned()];
        let words = Words { thing: "table", filling: "rows", besides: ", and sequences set" };
        state.begin(Situation { database: "shop".to_owned(), before, words, things });
        if let Some(phase) = phase {
            state.reached(phase);
        }
        if made {
            state.made();
        }
        state.told_with(Error::new(ErrorClass::Engine, "it failed.", "Look"))
    }

    #[test]
    fn dropping_is_advised_only_where_nothing_of_others_is() {
        let advice = "drop it and make it anew";
        for (before, made) in [(Before::Empty, false), (Before::Absent, true)] {
            let hint = told(before, Some(Phase::Rows), made).hint().to_owned();
            assert!(hint.contains(advice) && hint.contains("it came to rows"), "{hint}");
        }
        for before in [
            Before::Cleaned,
            Before::Populated,
            Before::Tables { may_have_rows: true },
            Before::Tables { may_have_rows: false },
        ] {
            let hint = told(before, Some(Phase::Rows), false).hint().to_owned();
            assert!(!hint.contains(advice), "{hint}");
            assert!(hint.contains("the 2 tables app.a, app.b"), "{hint}");
            assert!(hint.contains("Nothing else in it was touched"), "{hint}");
            assert_eq!(hint.contains("clean"), before == Before::Cleaned, "{hint}");
        }
        let hint = told(Before::Tables { may_have_rows: true }, Some(Phase::Rows), false);
        assert!(!hint.hint().contains("empty these"), "{hint}");
        let says = "Rows may have been added to the 2 tables app.a, app.b of the database shop, and \
                    sequences set (it came to rows)";
        assert!(hint.hint().contains(says), "{hint}");
    }

    #[test]
    fn where_nothing_was_changed_nothing_is_said() {
        for (before, phase) in [
            (Before::Absent, Some(Phase::PreData)),
            (Before::Empty, None),
            (Before::Cleaned, Some(Phase::Clean)),
        ] {
            let error = told(before, phase, false);
            assert_eq!((error.what(), error.hint()), ("it failed", "Look"));
        }
        let error = Error::new(ErrorClass::Engine, "no", "Look");
        assert_eq!(State::default().told_with(error).hint(), "Look");
    }
}
