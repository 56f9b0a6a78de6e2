//! How data files are compressed.

use std::fmt;
use std::str::FromStr;

/// A compression that `pg_restore` can undo; `mongorestore` reads gzip and none alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// As it is.
    None,
    /// gzip, which every version of both reads.
    Gzip,
    /// Zstandard: `pg_restore` from version 16.
    Zstd,
    /// LZ4 frames: `pg_restore` from version 16.
    Lz4,
}

impl Algorithm {
    /// The name in tags, secrets and manifests, and for `pg_dump --compress`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    /// The highest level; 0 when there are none.
    const fn highest_level(self) -> u8 {
        match self {
            Self::None | Self::Lz4 => 0,
            Self::Gzip => 9,
            Self::Zstd => 19,
        }
    }
}

/// An algorithm and its level: `gzip:1`, `zstd`, `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Compression {
    algorithm: Algorithm,
    level: u8,
}

impl Compression {
    /// The algorithm with its usual level: fast, as higher levels cost far more time than
    /// they save space.
    #[must_use]
    pub const fn usual(algorithm: Algorithm) -> Self {
        let level = match algorithm {
            Algorithm::None | Algorithm::Lz4 => 0,
            Algorithm::Gzip | Algorithm::Zstd => 1,
        };
        Self { algorithm, level }
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        self.algorithm
    }

    /// The level; 0 for an algorithm without levels.
    #[must_use]
    pub const fn level(self) -> u8 {
        self.level
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.as_str())?;
        if self.level > 0 { write!(f, ":{}", self.level) } else { Ok(()) }
    }
}

impl FromStr for Compression {
    type Err = String;

    /// Reads `<algorithm>` or `<algorithm>:<level>`. The error is a sentence fragment that
    /// says what is allowed.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, level) = text.split_once(':').map_or((text, None), |(n, l)| (n, Some(l)));
        let all = [Algorithm::None, Algorithm::Gzip, Algorithm::Zstd, Algorithm::Lz4];
        let read = || {
            let algorithm = all.into_iter().find(|algorithm| algorithm.as_str() == name)?;
            let Some(level) = level else { return Some(Self::usual(algorithm)) };
            let level = level.parse().ok()?;
            let legal = 1..=algorithm.highest_level();
            legal.contains(&level).then_some(Self { algorithm, level })
        };
        read().ok_or_else(|| {
            "is no compression: allowed are none, lz4, gzip, gzip:1 to gzip:9, zstd, zstd:1 to \
             zstd:19"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for (text, shown) in [
            ("none", "none"),
            ("lz4", "lz4"),
            ("gzip", "gzip:1"),
            ("gzip:9", "gzip:9"),
            ("zstd", "zstd:1"),
            ("zstd:19", "zstd:19"),
        ] {
            let compression: Compression = text.parse().unwrap();
            assert_eq!(compression.to_string(), shown);
            assert_eq!(shown.parse(), Ok(compression));
        }
        for text in ["", "gzip:0", "gzip:10", "zstd:20", "lz4:1", "none:1", "GZIP", "gzip:", "bz2"]
        {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }
}
