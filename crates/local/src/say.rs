//! What the program tells a person, on standard error, so that standard output stays for results.

use std::io::Write;

/// Prints one line of progress. A closed standard error is no reason to stop, so failures to print
/// are ignored.
pub fn progress(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints one line of result on standard output. A closed pipe is no reason to stop.
pub fn result(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
