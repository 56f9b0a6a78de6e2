//! `EventBridge` schedules.

use std::time::Duration;

use anyhow::{Result, bail};

/// Reads `rate(N minutes)` and its like. `cron(…)` is not known here, and an error.
pub(crate) fn interval(expression: &str) -> Result<Duration> {
    let inner = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')'));
    let Some((number, unit)) = inner.and_then(|inner| inner.split_once(' ')) else {
        bail!("the local cloud knows schedules of the form rate(N unit), got {expression:?}");
    };
    let number: u64 = match number.parse() {
        Ok(number) if number > 0 => number,
        _ => bail!("the rate in {expression:?} must be a whole number above 0"),
    };
    let seconds = match (number, unit) {
        (1, "minute") | (2.., "minutes") => 60,
        (1, "hour") | (2.., "hours") => 3600,
        (1, "day") | (2.., "days") => 86400,
        _ => bail!(
            "the unit in {expression:?} must be minute, hour or day for 1, \
             and minutes, hours or days above"
        ),
    };
    Ok(Duration::from_secs(number * seconds))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::interval;

    #[test]
    fn rates_become_intervals() {
        for (text, seconds) in [
            ("rate(1 minute)", 60),
            ("rate(15 minutes)", 900),
            ("rate(2 hours)", 7200),
            ("rate(1 day)", 86400),
        ] {
            assert_eq!(interval(text).expect(text), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn what_eventbridge_refuses_or_we_do_not_know_is_refused() {
        for text in [
            "rate(0 minutes)",
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(5)",
            "rate(x days)",
            "cron(0 8 * * ? *)",
            "",
        ] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
