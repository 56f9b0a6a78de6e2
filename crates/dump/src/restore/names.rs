//! Names of objects, counted for people.

/// How many are named.
const NAMED: usize = 5;

/// The first few, for people.
pub(crate) fn few(names: &[String]) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", "))
}
