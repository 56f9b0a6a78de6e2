//! What a column's values mean.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::schema::types::Type;

/// How the values of a leaf column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Unsigned,
    Float,
    Decimal { scale: u32 },
    Date,
    Time { unit: Unit, utc: bool },
    Timestamp { unit: Unit, utc: bool },
    Interval,
    Uuid,
    Text,
    Json,
    Binary,
}

/// What a number of time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    pub(crate) const fn per_second(self) -> i64 {
        match self {
            Self::Millis => 1_000,
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Millis => "millis",
            Self::Micros => "micros",
            Self::Nanos => "nanos",
        }
    }

    /// Digits of a second.
    pub(crate) const fn digits(self) -> usize {
        match self {
            Self::Millis => 3,
            Self::Micros => 6,
            Self::Nanos => 9,
        }
    }
}

impl From<TimeUnit> for Unit {
    fn from(unit: TimeUnit) -> Self {
        match unit {
            TimeUnit::MILLIS => Self::Millis,
            TimeUnit::MICROS => Self::Micros,
            TimeUnit::NANOS => Self::Nanos,
        }
    }
}

impl Kind {
    /// What the values of a primitive type are. An annotation that does not belong to the physical
    /// type is not believed.
    pub(crate) fn of(column: &Type) -> Self {
        let physical = column.get_physical_type();
        let info = column.get_basic_info();
        let meant = match info.logical_type_ref() {
            Some(logical) => logical_kind(logical, physical),
            None => converted_kind(info.converted_type(), column, physical),
        };
        meant.unwrap_or(match physical {
            Physical::BOOLEAN => Self::Bool,
            Physical::INT32 | Physical::INT64 => Self::Int,
            Physical::INT96 => Self::Timestamp { unit: Unit::Nanos, utc: false },
            Physical::FLOAT | Physical::DOUBLE => Self::Float,
            Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => Self::Binary,
        })
    }

    /// The name in manifests and table schemas.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int | Self::Unsigned => "integer",
            Self::Float => "float",
            Self::Decimal { .. } => "decimal",
            Self::Date => "date",
            Self::Time { .. } => "time",
            Self::Timestamp { .. } => "timestamp",
            Self::Interval => "interval",
            Self::Uuid => "uuid",
            Self::Text => "string",
            Self::Json => "json",
            Self::Binary => "binary",
        }
    }

    /// Whether its text may be anything, and not only digits, letters and signs that CSV leaves
    /// alone.
    pub(crate) const fn is_free(self) -> bool {
        matches!(self, Self::Text | Self::Json)
    }
}

const fn is_bytes(physical: Physical) -> bool {
    matches!(physical, Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY)
}

fn logical_kind(logical: &LogicalType, physical: Physical) -> Option<Kind> {
    let bytes = is_bytes(physical);
    let int = matches!(physical, Physical::INT32 | Physical::INT64);
    Some(match logical {
        LogicalType::String | LogicalType::Enum if bytes => Kind::Text,
        LogicalType::Json if bytes => Kind::Json,
        LogicalType::Uuid if bytes => Kind::Uuid,
        LogicalType::Float16 if bytes => Kind::Float,
        LogicalType::Decimal(of) if int || bytes => decimal(of.scale)?,
        LogicalType::Date if physical == Physical::INT32 => Kind::Date,
        LogicalType::Time(of) if int => {
            Kind::Time { unit: of.unit.into(), utc: of.is_adjusted_to_u_t_c }
        }
        LogicalType::Timestamp(of) if physical == Physical::INT64 => {
            Kind::Timestamp { unit: of.unit.into(), utc: of.is_adjusted_to_u_t_c }
        }
        LogicalType::Integer(of) if int && !of.is_signed => Kind::Unsigned,
        _ => return None,
    })
}

/// The annotations of old writers. A time of these is one in UTC, as the format says.
fn converted_kind(converted: ConvertedType, column: &Type, physical: Physical) -> Option<Kind> {
    use ConvertedType as C;
    let bytes = is_bytes(physical);
    let int = matches!(physical, Physical::INT32 | Physical::INT64);
    let utc = true;
    Some(match converted {
        C::UTF8 | C::ENUM if bytes => Kind::Text,
        C::JSON if bytes => Kind::Json,
        C::INTERVAL if bytes => Kind::Interval,
        C::DECIMAL if int || bytes => decimal(column.get_scale())?,
        C::DATE if physical == Physical::INT32 => Kind::Date,
        C::TIME_MILLIS if int => Kind::Time { unit: Unit::Millis, utc },
        C::TIME_MICROS if int => Kind::Time { unit: Unit::Micros, utc },
        C::TIMESTAMP_MILLIS if physical == Physical::INT64 => {
            Kind::Timestamp { unit: Unit::Millis, utc }
        }
        C::TIMESTAMP_MICROS if physical == Physical::INT64 => {
            Kind::Timestamp { unit: Unit::Micros, utc }
        }
        C::UINT_8 | C::UINT_16 | C::UINT_32 | C::UINT_64 if int => Kind::Unsigned,
        _ => return None,
    })
}

/// A scale that no decimal has would make endless zeros.
fn decimal(scale: i32) -> Option<Kind> {
    u32::try_from(scale).ok().filter(|scale| *scale <= 10_000).map(|scale| Kind::Decimal { scale })
}
