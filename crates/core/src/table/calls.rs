//! What the control plane's refusals mean.

use super::ports::Called;
use crate::error::{Error, ErrorClass, Result};

/// The code for a table, an import or a target that is not there.
pub const NOT_FOUND: &str = "ResourceNotFoundException";
/// The code for a table without a resource policy.
pub const NO_POLICY: &str = "PolicyNotFoundException";

/// Whether a code says that the service has no such operation, as emulators answer.
#[must_use]
pub fn is_unsupported(code: &str) -> bool {
    matches!(
        code,
        "UnknownOperationException"
            | "UnknownOperation"
            | "UnsupportedOperationException"
            | "NotImplemented"
            | "NotImplementedException"
            | "InvalidAction"
    )
}

/// The answer, or an error that says who refused what.
pub fn answer(operation: &str, of: &str, called: Called) -> Result<serde_json::Value> {
    match called {
        Called::Answered(answer) => Ok(answer),
        Called::Refused { code, message } => Err(refusal(operation, of, &code, &message)),
    }
}

/// The error about a call that was refused: `of` names the table or whatever it was about.
#[must_use]
pub fn refusal(operation: &str, of: &str, code: &str, message: &str) -> Error {
    let message = message.trim_end_matches('.');
    let (class, hint) = match code {
        NOT_FOUND => (ErrorClass::Configuration, "Check the name, the region and the account"),
        "ResourceInUseException" | "LimitExceededException" | "ConcurrentModificationException" => {
            (ErrorClass::Source, "Wait until the other change has ended, and try again")
        }
        _ if is_unsupported(code) => {
            (ErrorClass::Configuration, "Use a service that has this operation")
        }
        _ => (ErrorClass::Configuration, "Correct what the service names"),
    };
    Error::new(class, format!("{operation} of {of} was refused: {code}: {message}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_who_refused_what_and_whether_waiting_helps() {
        for (code, retried) in
            [(NOT_FOUND, false), ("LimitExceededException", true), ("ValidationException", false)]
        {
            let error = refusal("UpdateTable", "orders", code, "No.");
            assert_eq!(error.what(), format!("UpdateTable of orders was refused: {code}: No"));
            assert_eq!(error.class().is_retried(), retried, "{code}");
        }
        assert!(is_unsupported("UnknownOperationException") && !is_unsupported(NOT_FOUND));
    }
}
