//! What a converter is told for all its tables: `contract/csv.json`.

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::{Error, ErrorClass, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::csv::Format;
use crate::layout::Layout;
use crate::options::{Destination, Memory, OnBad, Options};
use crate::schema::TableSchema;
use crate::schemas::Schemas;
use crate::text::Binary;

/// The environment variable that holds the settings, as JSON.
pub const VARIABLE: &str = "AUTODUMP_CSV";
/// What pages may be given: function and job have memory for the most of it.
const PAGE_MEBIBYTES: std::ops::RangeInclusive<u16> = 32..=1024;

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The name of the construct, for the metrics.
    pub name: String,
    /// Where the tables are.
    pub source: Place,
    /// How they lie there.
    pub layout: Layout,
    /// Where their results are put.
    pub destination: Destination,
    /// How the CSV is compressed: not at all, with gzip or with Zstandard.
    #[serde(default = "uncompressed", deserialize_with = "compression")]
    pub compression: Compression,
    /// How it is written.
    #[serde(default)]
    pub format: Format,
    /// How bytes are written.
    #[serde(default)]
    pub binary: Binary,
    /// What becomes of rows that break a rule.
    #[serde(default)]
    pub on_bad: OnBad,
    /// Where the schemas of the tables are.
    #[serde(default)]
    pub schemas: Option<Schemas>,
    /// The KMS key that the results are encrypted with; else as their bucket says.
    #[serde(default)]
    pub kms_key_arn: Option<String>,
    /// How much memory the pages of a row group may take, in MiB: 32 to 1,024.
    #[serde(default)]
    pub page_mebibytes: Option<u16>,
}

/// A part of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with.
    pub prefix: String,
}

impl Settings {
    /// Reads the value of [`VARIABLE`]. An error of class [`ErrorClass::Configuration`] says what
    /// is wrong with it.
    pub fn read(json: &str) -> Result<Self> {
        let settings: Self =
            serde_json::from_str(json).map_err(|error| wrong(&error.to_string()))?;
        settings.format.check()?;
        if settings.page_mebibytes.is_some_and(|size| !PAGE_MEBIBYTES.contains(&size)) {
            return Err(wrong("pageMebibytes is none of 32 to 1024"));
        }
        for bucket in [&settings.source.bucket, &settings.destination.bucket] {
            if bucket.is_empty() {
                return Err(wrong("a bucket has no name"));
            }
        }
        Ok(settings)
    }

    /// How a table of this schema is converted.
    #[must_use]
    pub fn options(&self, schema: Option<TableSchema>) -> Options {
        Options {
            format: self.format.clone(),
            binary: self.binary,
            compression: self.compression,
            schema,
            on_bad: self.on_bad,
            memory: self.memory(),
            ..Options::default()
        }
    }

    fn memory(&self) -> Memory {
        let usual = Memory::default();
        let pages = self.page_mebibytes.map_or(usual.pages, |size| u64::from(size) << 20);
        Memory { pages, ..usual }
    }
}

const fn uncompressed() -> Compression {
    Compression::usual(Algorithm::None)
}

fn compression<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Compression, D::Error> {
    let text = String::deserialize(deserializer)?;
    let compression: Compression = text
        .parse()
        .map_err(|reason| D::Error::custom(format!("the compression {text:?} {reason}")))?;
    if compression.algorithm() == Algorithm::Lz4 {
        return Err(D::Error::custom("the compression is lz4; use none, gzip or zstd"));
    }
    Ok(compression)
}

fn wrong(why: &str) -> Error {
    Error::new(
        ErrorClass::Configuration,
        format!("the settings {VARIABLE} are not understood: {why}"),
        "The construct sets them: deploy again",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn golden() -> Value {
        let contract: Value =
            serde_json::from_str(include_str!("../../../contract/csv.json")).unwrap();
        contract["settings"].clone()
    }

    /// `contract/csv.json` is also read by the construct, which sets these.
    #[test]
    fn the_settings_are_the_contract() {
        let settings = Settings::read(&golden().to_string()).unwrap();
        assert_eq!(settings.name, "Example-ParquetToCsv");
        assert_eq!(
            (&*settings.source.bucket, &*settings.source.prefix),
            ("example-exports", "rds/")
        );
        assert_eq!(settings.layout, Layout::Rds);
        assert_eq!(settings.destination.prefix, "csv/");
        assert_eq!(settings.kms_key_arn.as_deref().map(|arn| &arn[..11]), Some("arn:aws:kms"));
        let options = settings.options(None);
        assert_eq!(options.compression.to_string(), "gzip:1");
        assert_eq!((options.format, options.on_bad), (Format::default(), OnBad::Reject));
        assert_eq!(options.memory.pages, 320 << 20);
        let (bucket, prefix) = ("example-schemas".to_owned(), "schemas/".to_owned());
        assert_eq!(settings.schemas, Some(Schemas::Each { bucket, prefix }));
        let contract: Value =
            serde_json::from_str(include_str!("../../../contract/csv.json")).unwrap();
        for layout in contract["layouts"].as_array().unwrap() {
            let mut settings = golden();
            settings["layout"] = layout.clone();
            assert!(Settings::read(&settings.to_string()).is_ok(), "{layout}");
        }
    }

    #[test]
    fn the_least_is_a_name_and_two_places() {
        let mut settings = golden();
        let keys = ["compression", "format", "binary", "onBad", "schemas", "kmsKeyArn"];
        for key in keys.into_iter().chain(["pageMebibytes"]) {
            settings.as_object_mut().unwrap().remove(key);
        }
        let settings = Settings::read(&settings.to_string()).unwrap();
        assert_eq!(settings.options(None).memory, Memory::default());
        assert_eq!((settings.schemas, settings.kms_key_arn), (None, None));
        assert_eq!((settings.on_bad, settings.compression), (OnBad::Stop, uncompressed()));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let schemas = |value: Value| ("schemas", value);
        for ((key, value), says) in [
            (("compression", json!("lz4")), "the compression is lz4; use none, gzip or zstd"),
            (("compression", json!("zip")), "the compression \"zip\" is no compression"),
            (("layout", json!("hive")), "unknown variant `hive`"),
            (("further", json!(1)), "unknown field `further`"),
            (("pageMebibytes", json!(31)), "none of 32 to 1024"),
            (("pageMebibytes", json!(1025)), "none of 32 to 1024"),
            (("name", json!(null)), "expected a string"),
            (("source", json!({"bucket": "", "prefix": ""})), "a bucket has no name"),
            (("format", json!({"null": ","})), "the text for NULL is \",\""),
            (schemas(json!({"bucket": "b"})), "schemas have either a prefix or a key"),
            (schemas(json!({"bucket": "b", "prefix": "", "key": "k"})), "either a prefix or a key"),
        ] {
            let mut settings = golden();
            settings[key] = value;
            let error = Settings::read(&settings.to_string()).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains(says), "{error}");
        }
    }
}
