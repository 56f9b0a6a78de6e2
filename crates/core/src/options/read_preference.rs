//! Which members of a replica set are read.

use std::str::FromStr;

/// Which members of a replica set of MongoDB are read, by MongoDB's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReadPreference {
    /// The one that is written to.
    Primary,
    /// That one, or another while there is none.
    PrimaryPreferred,
    /// One of the others.
    Secondary,
    /// One of the others, or the one that is written to where there is none. The default.
    #[default]
    SecondaryPreferred,
    /// That which answers fastest.
    Nearest,
}

impl ReadPreference {
    const ALL: [Self; 5] = [
        Self::Primary,
        Self::PrimaryPreferred,
        Self::Secondary,
        Self::SecondaryPreferred,
        Self::Nearest,
    ];

    /// MongoDB's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::PrimaryPreferred => "primaryPreferred",
            Self::Secondary => "secondary",
            Self::SecondaryPreferred => "secondaryPreferred",
            Self::Nearest => "nearest",
        }
    }
}

impl FromStr for ReadPreference {
    type Err = String;

    /// Reads a name, whatever the case of its letters, as MongoDB's programs do. The error is a
    /// sentence fragment that says what is allowed.
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("is no read preference: allowed are {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_and_nothing_else() {
        for preference in ReadPreference::ALL {
            assert_eq!(preference.as_str().parse(), Ok(preference));
            assert_eq!(preference.as_str().to_ascii_uppercase().parse(), Ok(preference));
        }
        for text in ["", "secondary preferred", "secondary_preferred", "primaries"] {
            let error = text.parse::<ReadPreference>().unwrap_err();
            assert!(error.ends_with(", secondaryPreferred, nearest"), "{error}");
        }
    }
}
