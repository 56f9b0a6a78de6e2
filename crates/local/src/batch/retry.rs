//! The retry strategy of a job: `attempts` and `evaluateOnExit`, with Batch's own rules.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::api::list_at;

/// How one attempt ended, as far as the retry strategy looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) exit_code: Option<i32>,
    pub(crate) reason: Option<String>,
    pub(crate) status_reason: String,
}

/// A job's retry strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetryStrategy {
    attempts: u32,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    retry: bool,
    exit_code: Option<String>,
    reason: Option<String>,
    status_reason: Option<String>,
}

impl RetryStrategy {
    /// Reads a strategy as `DescribeJobDefinitions` gives it. One that Batch would refuse is an
    /// error.
    pub(crate) fn read(value: &Value) -> Result<Self> {
        let attempts = value["attempts"].as_u64().unwrap_or(1);
        if !(1..=10).contains(&attempts) {
            bail!("retryStrategy.attempts is {attempts}; Batch allows 1 to 10");
        }
        let rules = list_at(value, "evaluateOnExit");
        if rules.len() > 5 {
            bail!("retryStrategy.evaluateOnExit has {} rules; Batch allows 5", rules.len());
        }
        let rules = rules.iter().map(Rule::read).collect::<Result<_>>()?;
        Ok(Self { attempts: u32::try_from(attempts)?, rules })
    }

    /// Whether a failed attempt, counted from 1, is followed by another one.
    pub(crate) fn again(&self, attempt: u32, ending: &Ending) -> bool {
        if attempt >= self.attempts {
            return false;
        }
        let first = self.rules.iter().find(|rule| rule.matches(ending));
        first.is_none_or(|rule| rule.retry)
    }
}

impl Rule {
    fn read(value: &Value) -> Result<Self> {
        let pattern = |key: &str| value[key].as_str().map(str::to_owned);
        let action = value["action"].as_str().unwrap_or_default();
        let rule = Self {
            retry: action.eq_ignore_ascii_case("RETRY"),
            exit_code: pattern("onExitCode"),
            reason: pattern("onReason"),
            status_reason: pattern("onStatusReason"),
        };
        if !rule.retry && !action.eq_ignore_ascii_case("EXIT") {
            bail!("the action of {value} is neither RETRY nor EXIT");
        }
        for pattern in [&rule.exit_code, &rule.reason, &rule.status_reason].into_iter().flatten() {
            if pattern.trim_end_matches('*').contains('*') {
                bail!(
                    "the pattern {pattern:?} has an asterisk inside; Batch allows one at the end only"
                );
            }
        }
        Ok(rule)
    }

    fn matches(&self, ending: &Ending) -> bool {
        let code = ending.exit_code.map(|code| code.to_string());
        fits(self.exit_code.as_deref(), code.as_deref())
            && fits(self.reason.as_deref(), ending.reason.as_deref())
            && fits(self.status_reason.as_deref(), Some(&ending.status_reason))
    }
}

/// Whether a pattern fits a text. No pattern fits everything; a lone `*` fits a missing text too.
fn fits(pattern: Option<&str>, text: Option<&str>) -> bool {
    let Some(pattern) = pattern else { return true };
    let text = text.unwrap_or_default();
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Ending, RetryStrategy};

    fn strategy() -> RetryStrategy {
        let value = json!({"attempts": 3, "evaluateOnExit": [
            {"onExitCode": "12", "action": "RETRY"},
            {"onExitCode": "14*", "onReason": "Out*", "action": "retry"},
            {"onStatusReason": "Task failed to start*", "action": "RETRY"},
            {"onReason": "*", "action": "EXIT"},
        ]});
        RetryStrategy::read(&value).expect("a valid strategy")
    }

    fn exit(code: i32) -> Ending {
        let status_reason = "Essential container in task exited".to_owned();
        Ending { exit_code: Some(code), reason: None, status_reason }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        assert!(strategy().again(1, &exit(12)));
        assert!(!strategy().again(1, &exit(10)));
        assert!(!strategy().again(1, &exit(120)));
    }

    #[test]
    fn all_conditions_of_a_rule_must_fit() {
        let mut memory = exit(143);
        assert!(!strategy().again(1, &memory));
        memory.reason = Some("OutOfMemoryError: killed".into());
        assert!(strategy().again(1, &memory));
    }

    #[test]
    fn an_attempt_without_exit_code_is_judged_by_its_status_reason() {
        let status_reason = "Task failed to start".to_owned();
        let ending = Ending { exit_code: None, reason: Some("CannotPull".into()), status_reason };
        assert!(strategy().again(2, &ending));
    }

    #[test]
    fn the_last_attempt_is_the_last() {
        assert!(!strategy().again(3, &exit(12)));
    }

    #[test]
    fn what_no_rule_fits_is_retried() {
        let value =
            json!({"attempts": 2, "evaluateOnExit": [{"onExitCode": "10", "action": "EXIT"}]});
        let strategy = RetryStrategy::read(&value).expect("a valid strategy");
        assert!(strategy.again(1, &exit(1)));
        assert!(!strategy.again(1, &exit(10)));
    }

    #[test]
    fn no_strategy_means_one_attempt() {
        let strategy = RetryStrategy::read(&json!({})).expect("no strategy is fine");
        assert!(!strategy.again(1, &exit(12)));
    }

    #[test]
    fn what_batch_refuses_is_refused() {
        for bad in [
            json!({"attempts": 0}),
            json!({"attempts": 11}),
            json!({"attempts": 2, "evaluateOnExit": [{"onExitCode": "1*2", "action": "EXIT"}]}),
            json!({"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "STOP"}]}),
            json!({"attempts": 2, "evaluateOnExit": vec![json!({"onReason": "*", "action": "EXIT"}); 6]}),
        ] {
            assert!(RetryStrategy::read(&bad).is_err(), "{bad}");
        }
    }
}
