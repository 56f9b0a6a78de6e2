//! When a target is dumped: a five-field cron expression, read in the target's time zone.
//!
//! croner parses the fields and walks the calendar. What becomes of a time that the zone
//! skips or repeats is decided here, after Vixie cron's rules (`cron(8)`, "daylight saving
//! time"); `docs/adr/0001-schedule.md` says why it is not left to croner.

use chrono::{DateTime, Duration, LocalResult, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// A parsed schedule. It knows no time zone; [`Schedule::next_after`] is given one.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    canonical: String,
    wildcard_time: bool,
}

/// The longest stretch in which a zone is taken to change its offset at most once.
const PROBE: Duration = Duration::hours(12);

impl Schedule {
    /// Parses five fields (minute, hour, day of month, month, day of week) or one of
    /// `@hourly`, `@daily`, `@weekly`, `@monthly`.
    ///
    /// Tag values may not hold `*` and `,` everywhere, so a field that begins with `-`
    /// begins with `*`, and `:` stands for `,`: `0 8 - - 1:3:5` is `0 8 * * 1,3,5`.
    ///
    /// The error is a sentence fragment that says what is wrong with which field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let canonical = canonical(text)?;
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(&canonical)
            .map_err(|error| format!("is no cron expression ({error})"))?;
        let mut fields = canonical.split(' ');
        let wildcard_time = fields.by_ref().take(2).any(|field| field.starts_with('*'));
        let schedule = Self { cron, canonical, wildcard_time };
        let probe = DateTime::UNIX_EPOCH.naive_utc();
        if schedule.next_wall_clock(probe, true).is_none() {
            return Err("never comes: no date matches it".to_owned());
        }
        Ok(schedule)
    }

    /// The expression with aliases replaced and white space folded, such as `0 8 * * 1,3,5`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// The first start strictly after `after`. `None` only when the calendar ends.
    ///
    /// A schedule whose minute and hour are both fixed runs once for each wall-clock time
    /// it names: in a repeated hour at its first pass; in a skipped hour just after it, or
    /// in the last minute before it where just after would be another day. A schedule
    /// with a wildcard in minute or hour (`*`, `*/15`) keeps its real spacing.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        if self.wildcard_time {
            self.next_spaced(after, zone)
        } else {
            self.next_fixed(after, zone)
        }
    }

    fn next_fixed(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let mut wall_clock = after.with_timezone(&zone).naive_local();
        let mut inclusive = true;
        loop {
            wall_clock = self.next_wall_clock(wall_clock, inclusive)?;
            inclusive = false;
            if let Some(start) = instant_of(wall_clock, zone).filter(|start| *start > after) {
                return Some(start);
            }
        }
    }

    fn next_spaced(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let mut from = after;
        let mut inclusive = false;
        loop {
            let offset = offset_at(from, zone);
            let wall_clock = self.next_wall_clock(from.naive_utc() + offset, inclusive)?;
            let start = (wall_clock - offset).and_utc();
            match first_offset_change(from, start, zone) {
                None => return Some(start),
                Some(change) => from = change,
            }
            inclusive = true;
        }
    }

    /// The next match on a plain calendar without zones.
    fn next_wall_clock(&self, from: NaiveDateTime, inclusive: bool) -> Option<NaiveDateTime> {
        let minute = from.with_second(0)?.with_nanosecond(0)?;
        let inclusive = inclusive && minute == from;
        let next = self.cron.find_next_occurrence(&minute.and_utc(), inclusive).ok()?;
        Some(next.naive_utc())
    }
}

/// Replaces the aliases and checks that only the five classic fields are used, so that
/// croner's extensions (`L`, `W`, `#`, `?`) do not become part of the contract.
fn canonical(text: &str) -> Result<String, String> {
    match text.trim() {
        "@hourly" => return Ok("0 * * * *".to_owned()),
        "@daily" => return Ok("0 0 * * *".to_owned()),
        "@weekly" => return Ok("0 0 * * 0".to_owned()),
        "@monthly" => return Ok("0 0 1 * *".to_owned()),
        word if word.starts_with('@') => {
            return Err("is none of @hourly, @daily, @weekly, @monthly".to_owned());
        }
        _ => {}
    }
    let fields: Vec<String> = text.split_whitespace().map(canonical_field).collect();
    if fields.len() != 5 {
        return Err(format!("has {} fields instead of 5", fields.len()));
    }
    for field in &fields {
        if let Some(bad) = field.split(['*', ',', '-', '/']).find(|word| !is_cron_word(word)) {
            return Err(format!("has \"{bad}\" where a number or an English short name belongs"));
        }
    }
    Ok(fields.join(" "))
}

fn canonical_field(field: &str) -> String {
    let field = field.replace(':', ",");
    match field.strip_prefix('-') {
        Some(rest) => format!("*{rest}"),
        None => field,
    }
}

fn is_cron_word(word: &str) -> bool {
    const NAMES: [&str; 19] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC", "SUN",
        "MON", "TUE", "WED", "THU", "FRI", "SAT",
    ];
    word.bytes().all(|byte| byte.is_ascii_digit())
        || NAMES.iter().any(|name| name.eq_ignore_ascii_case(word))
}

/// The one instant at which a fixed wall-clock time runs. `None` when the zone leaves out
/// that whole day (Pacific/Apia, 30 December 2011).
fn instant_of(wall_clock: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&wall_clock) {
        LocalResult::Single(start) | LocalResult::Ambiguous(start, _) => Some(start.to_utc()),
        LocalResult::None => {
            let (gap_start, gap_end, change) = gap_around(wall_clock, zone)?;
            if gap_end.date() == wall_clock.date() {
                Some(change)
            } else if gap_start.date() == wall_clock.date()
                && gap_start.num_seconds_from_midnight() > 0
            {
                Some(change - Duration::minutes(1))
            } else {
                None
            }
        }
    }
}

/// The gap that swallows `wall_clock`: its first and last wall-clock time, and its instant.
fn gap_around(
    wall_clock: NaiveDateTime,
    zone: Tz,
) -> Option<(NaiveDateTime, NaiveDateTime, DateTime<Utc>)> {
    let mut from = wall_clock.and_utc() - Duration::days(2);
    let until = wall_clock.and_utc() + Duration::days(2);
    while let Some(change) = first_offset_change(from, until, zone) {
        let gap_start = change.naive_utc() + offset_at(change - Duration::seconds(1), zone);
        let gap_end = change.naive_utc() + offset_at(change, zone);
        if (gap_start..gap_end).contains(&wall_clock) {
            return Some((gap_start, gap_end, change));
        }
        from = change;
    }
    None
}

fn offset_at(instant: DateTime<Utc>, zone: Tz) -> Duration {
    let seconds = zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc();
    Duration::seconds(seconds.into())
}

/// The first instant in `(from, until]` at which the zone's offset is another one.
fn first_offset_change(
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    zone: Tz,
) -> Option<DateTime<Utc>> {
    let offset = offset_at(from, zone);
    let mut same = from;
    while same < until {
        let mut other = (same + PROBE).min(until);
        if offset_at(other, zone) == offset {
            same = other;
            continue;
        }
        while other - same > Duration::seconds(1) {
            let middle = same + Duration::seconds((other - same).num_seconds() / 2);
            if offset_at(middle, zone) == offset {
                same = middle;
            } else {
                other = middle;
            }
        }
        return other.with_nanosecond(0);
    }
    None
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
