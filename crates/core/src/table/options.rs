//! What the tags of a table ask for, besides those that every target has.

use super::arn::{TableArn, is_name};
use super::choose::{MOST_SEGMENTS, Who};
use crate::compression::{Algorithm, Compression};

/// The names of the tags.
pub(crate) mod names {
    pub(crate) const METHOD: &str = "method";
    pub(crate) const SEGMENTS: &str = "segments";
    pub(crate) const MAX_READ_PERCENT: &str = "max-read-percent";
    pub(crate) const CONSISTENCY: &str = "consistency";
    pub(crate) const REPLICATE: &str = "replicate";
}

/// How a table is to be read and written down. `None` stands for what was not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// Who reads; else as is best for the table.
    pub method: Option<Who>,
    /// 1 to [`MOST_SEGMENTS`]; else by the table's size.
    pub segments: Option<u32>,
    /// How many jobs divide the segments, 1 to [`MOST_SEGMENTS`]; else by the table's size.
    pub jobs: Option<u32>,
    /// 1 to 100.
    pub max_read_percent: Option<u8>,
    /// Read what was written last, at twice the price; else not.
    pub consistent: bool,
    /// One that `ImportTable` reads.
    pub compression: Option<Compression>,
    /// Into which table of the own account and region each backup is restored; else into none.
    pub replica: Option<Replica>,
}

/// The table that each backup is restored into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replica {
    /// One of the same name.
    Namesake,
    /// One of this name.
    Named(String),
}

impl Replica {
    /// The replica's name. It is never the table itself: where it would be, the error is a
    /// sentence that says so. `account` and `region` are those that the replica is in.
    pub fn name(&self, table: &TableArn, account: &str, region: &str) -> Result<String, String> {
        let name = match self {
            Self::Namesake => &table.name,
            Self::Named(name) => name,
        };
        if *name == table.name && table.account == account && table.region == region {
            return Err(format!("the replica of {table} would be the table itself"));
        }
        Ok(name.clone())
    }
}

/// Reads the value of `replicate`.
pub(crate) fn replicate(value: &str) -> Result<Option<Replica>, String> {
    match value {
        "no" => Ok(None),
        "yes" => Ok(Some(Replica::Namesake)),
        name if is_name(name) => Ok(Some(Replica::Named(name.to_owned()))),
        _ => {
            Err("is not allowed: it is yes, no, or the name of another table, which has 3 to 255 \
                  letters, digits and _ . -"
                .to_owned())
        }
    }
}

/// Reads the value of `method`. As with the others below, the error is a sentence fragment that
/// says what is allowed.
pub(crate) fn method(value: &str) -> Result<Option<Who>, String> {
    match value {
        "auto" => Ok(None),
        "scan" => Ok(Some(Who::Scan)),
        "export" => Ok(Some(Who::Export)),
        _ => Err("is no method: allowed are auto, scan and export".to_owned()),
    }
}

/// Reads the value of `segments`.
pub(crate) fn segments(value: &str) -> Result<Option<u32>, String> {
    if value == "auto" {
        return Ok(None);
    }
    let segments = number(value).filter(|segments| (1..=MOST_SEGMENTS).contains(segments));
    segments.map(Some).ok_or_else(|| {
        format!("is no number of segments: allowed are auto, and 1 to {MOST_SEGMENTS}")
    })
}

/// Reads the value of `jobs` for a table.
pub(crate) fn jobs(value: &str) -> Result<u32, String> {
    number(value).filter(|jobs| (1..=MOST_SEGMENTS).contains(jobs)).ok_or_else(|| {
        format!("is no number of jobs that read the table: allowed are 1 to {MOST_SEGMENTS}")
    })
}

/// Reads the value of `max-read-percent`.
pub(crate) fn max_read_percent(value: &str) -> Result<u8, String> {
    let percent = number(value).and_then(|percent| u8::try_from(percent).ok());
    percent.filter(|percent| (1..=100).contains(percent)).ok_or_else(|| {
        "is no share of the table's read capacity: allowed are 1 to 100, without a percent sign"
            .to_owned()
    })
}

/// Reads the value of `consistency`: whether what was written last is read.
pub(crate) fn consistency(value: &str) -> Result<bool, String> {
    match value {
        "eventual" => Ok(false),
        "strong" => Ok(true),
        _ => Err("is not allowed: it is eventual or strong".to_owned()),
    }
}

/// Reads the value of `compression` for a table.
pub(crate) fn compression(value: &str) -> Result<Compression, String> {
    let compression: Option<Compression> = value.parse().ok();
    let readable = compression.filter(|found| found.algorithm() != Algorithm::Lz4);
    readable.ok_or_else(|| {
        let what = match compression {
            Some(_) => "is nothing that ImportTable reads",
            None => "is no compression",
        };
        format!("{what}: allowed are none, gzip, gzip:1 to gzip:9, zstd, zstd:1 to zstd:19")
    })
}

/// Digits alone: Rust would also read `+8`.
fn number(value: &str) -> Option<u32> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_others_are_not() {
        assert_eq!(method("auto"), Ok(None));
        assert_eq!(
            (method("scan"), method("export")),
            (Ok(Some(Who::Scan)), Ok(Some(Who::Export)))
        );
        assert_eq!((segments("auto"), segments("1")), (Ok(None), Ok(Some(1))));
        assert_eq!(segments("10000"), Ok(Some(MOST_SEGMENTS)));
        for value in ["", "0", "10001", "+1", "1.5", "all", "99999999999"] {
            assert!(segments(value).is_err(), "{value}");
        }
        assert_eq!((max_read_percent("1"), max_read_percent("100")), (Ok(1), Ok(100)));
        for value in ["", "0", "101", "257", "50%", "+5"] {
            assert!(max_read_percent(value).is_err(), "{value}");
        }
        assert_eq!((consistency("eventual"), consistency("strong")), (Ok(false), Ok(true)));
        assert!(consistency("yes").is_err() && method("SCAN").is_err());
    }

    #[test]
    fn a_compression_is_one_that_import_reads() {
        for (value, shown) in [("none", "none"), ("gzip", "gzip:1"), ("zstd:19", "zstd:19")] {
            assert_eq!(compression(value).unwrap().to_string(), shown);
        }
        for (value, says) in [("lz4", "is nothing that ImportTable reads: "), ("bz2", "is no comp")]
        {
            assert!(compression(value).unwrap_err().starts_with(says), "{value}");
        }
    }
}
