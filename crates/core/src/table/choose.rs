//! How a table is read: chosen from what its tags ask for, and what it is.

use serde_json::Value;

use super::forecast::Limits;
use super::options::{Replica, TableOptions};
use super::plan::{Export, Method, Scan};
use crate::compression::{Algorithm, Compression};
use crate::error::{Error, ErrorClass, Result};
use crate::tags::Size;
use crate::verification::Level;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// The most segments there are. DynamoDB takes more; nobody needs them.
pub const MOST_SEGMENTS: u32 = 10_000;
/// How much of a table a segment has where nothing else is asked for: some minutes of reading.
const SEGMENT: u64 = 128 * MIB;
/// A table up to this size is read in one segment: more would only make more requests.
const ONE_SEGMENT: u64 = 4 * MIB;
/// How much of a table a job reads: more is divided among the children of an array job.
const RANGE: u64 = 200 * GIB;
/// How many segments a job reads at once for each of its vCPUs, and at most.
const AT_ONCE: (u32, u32) = (16, 64);
/// How large data objects are at least.
const OBJECT: u64 = 32 * MIB;
/// How many data objects there are at most, as far as memory allows, besides the last one of each
/// range. `ImportTable` takes 50,000.
const OBJECTS: u64 = 40_000;
/// Tenths of a byte that JSON has for a byte that DynamoDB counts, some more than was measured.
const JSON_TENTHS: u64 = 14;
/// What share of provisioned capacity a scan takes where nothing else is asked for.
const USUAL_PERCENT: u8 = 50;

/// What the tags ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Who reads; else as is best for the table.
    pub method: Option<Who>,
    /// 1 to [`MOST_SEGMENTS`]; else by the table's size.
    pub segments: Option<u32>,
    /// How many jobs divide the segments; else by the table's size.
    pub jobs: Option<u32>,
    /// 1 to 100; else half of what is provisioned, and no limit where nothing is.
    pub max_read_percent: Option<u8>,
    /// Read what was written last, at twice the price.
    pub consistent: bool,
    /// Such as `zstd:1`.
    pub compression: String,
    /// vCPUs of the job.
    pub vcpu: u32,
    /// Memory of the job in MiB.
    pub memory_mib: u32,
    /// How far the backup is to be verified afterwards.
    pub verify: Level,
    /// Into which table it is restored afterwards, if into any.
    pub replica: Option<Replica>,
}

impl Wanted {
    /// What the options of a table ask for, in a job of this size.
    #[must_use]
    pub fn of(options: TableOptions, size: Size, verify: Level) -> Self {
        let usual = Compression::usual(Algorithm::Zstd);
        Self {
            method: options.method,
            segments: options.segments,
            jobs: options.jobs,
            max_read_percent: options.max_read_percent,
            consistent: options.consistent,
            compression: options.compression.unwrap_or(usual).to_string(),
            vcpu: size.vcpu(),
            memory_mib: size.memory_mib(),
            verify,
            replica: options.replica,
        }
    }
}

/// Who reads a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// DynamoDB, by `ExportTableToPointInTime`.
    Export,
    /// AutoDump, by a parallel scan.
    Scan,
}

/// What a table is, as far as it decides how it is read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// How many items DynamoDB last counted. It counts every six hours or so.
    pub items: u64,
    /// How many bytes these had.
    pub bytes: u64,
    /// Read units a second that the table has, or is limited to; `None` where neither is known.
    pub read_units: Option<u64>,
    /// Whether these are provisioned: shared with everybody who reads the table.
    pub provisioned: bool,
    /// Whether it has point-in-time recovery.
    pub recoverable: bool,
}

impl Facts {
    /// From the answers of `DescribeTable` and `DescribeContinuousBackups`.
    #[must_use]
    pub fn of(described: &Value, backups: &Value) -> Self {
        let table = &described["Table"];
        let number = |value: &Value| value.as_u64().filter(|number| *number > 0);
        // Tables that were never on demand have no summary of it.
        let provisioned = table["BillingModeSummary"]["BillingMode"] != "PAY_PER_REQUEST";
        let read_units = if provisioned {
            number(&table["ProvisionedThroughput"]["ReadCapacityUnits"])
        } else {
            // No limit is written as -1.
            number(&table["OnDemandThroughput"]["MaxReadRequestUnits"])
                .or_else(|| number(&table["WarmThroughput"]["ReadUnitsPerSecond"]))
        };
        let recovery = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
        Self {
            items: table["ItemCount"].as_u64().unwrap_or_default(),
            bytes: table["TableSizeBytes"].as_u64().unwrap_or_default(),
            read_units,
            provisioned,
            recoverable: recovery["PointInTimeRecoveryStatus"] == "ENABLED",
        }
    }
}

/// The method for a run, within the deployment's limits where there are any. `token` makes two
/// requests for an export the same one. Fails only if an export is asked for that cannot be.
pub fn method(
    wanted: &Wanted,
    facts: &Facts,
    limits: Option<Limits>,
    token: &str,
) -> Result<Method> {
    let who = wanted.method.unwrap_or(if facts.recoverable { Who::Export } else { Who::Scan });
    match who {
        Who::Export if facts.recoverable => {
            Ok(Method::Export(Export { client_token: token.to_owned() }))
        }
        Who::Export => Err(Error::new(
            ErrorClass::Configuration,
            "the tag method asks for an export, but the table has no point-in-time recovery",
            "Switch it on for the table, or set the tag to scan or auto",
        )),
        Who::Scan => Ok(Method::Scan(scan(wanted, facts, limits))),
    }
}

fn scan(wanted: &Wanted, facts: &Facts, limits: Option<Limits>) -> Scan {
    let at_once = (wanted.vcpu * AT_ONCE.0).min(AT_ONCE.1);
    let least = at_once.max(wanted.jobs.unwrap_or_default());
    let segments = wanted.segments.unwrap_or_else(|| segments(facts.bytes, least));
    let ranges = wanted.jobs.unwrap_or_else(|| limited(facts.bytes.div_ceil(RANGE)));
    let ranges = ranges.clamp(1, segments);
    let parallel = limits.map(|limits| (limits.vcpus / wanted.vcpu.max(1)).clamp(1, ranges));
    Scan {
        segments,
        ranges,
        parallel,
        at_once,
        consistent: wanted.consistent,
        units_per_second: units_per_second(wanted.max_read_percent, facts),
        compression: wanted.compression.clone(),
        object_bytes: object_bytes(facts.bytes, wanted.memory_mib),
        item_bytes: facts.bytes.checked_div(facts.items).unwrap_or_default(),
        items: facts.items,
    }
}

fn segments(bytes: u64, at_once: u32) -> u32 {
    if bytes <= ONE_SEGMENT {
        return 1;
    }
    limited(bytes.div_ceil(SEGMENT)).max(at_once)
}

fn limited(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX).min(MOST_SEGMENTS)
}

/// A share of what the table has. Nobody else suffers from reading a table on demand, so there
/// is no limit unless one is asked for.
fn units_per_second(percent: Option<u8>, facts: &Facts) -> Option<f64> {
    let percent = percent.or(facts.provisioned.then_some(USUAL_PERCENT))?;
    let units = u32::try_from(facts.read_units?).unwrap_or(u32::MAX);
    Some(f64::from(units) * f64::from(percent) / 100.0)
}

/// A job holds two of them in memory: at most a quarter of it. Nobody knows how well the items
/// can be compressed, so the size is one that does not depend on it.
fn object_bytes(bytes: u64, memory_mib: u32) -> u64 {
    let most = (u64::from(memory_mib) * MIB / 8).max(OBJECT);
    let json = bytes.saturating_mul(JSON_TENTHS) / 10;
    json.div_ceil(OBJECTS).next_power_of_two().clamp(OBJECT, most)
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
