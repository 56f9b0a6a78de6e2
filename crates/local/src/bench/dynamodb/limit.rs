//! The emulator's own limit: all its pages, read and thrown away.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::try_join_all;

use super::TABLE;
use super::emulator::Emulator;

/// The time in which the emulator gives away all pages, all segments at once. Of a page only the key to go on after
/// is looked at.
pub(super) async fn read_all(emulator: &Emulator, segments: u32) -> Result<Duration> {
    let began = Instant::now();
    try_join_all((0..segments).map(|segment| read(emulator, segment, segments))).await?;
    Ok(began.elapsed())
}

async fn read(emulator: &Emulator, segment: u32, segments: u32) -> Result<()> {
    let mut from = String::new();
    loop {
        let input = format!(
            "{{\"TableName\":\"{TABLE}\",\"Segment\":{segment},\"TotalSegments\":{segments}{from}}}"
        );
        let page = emulator.send("Scan", input).await?;
        let Some(key) = last_key(std::str::from_utf8(&page)?) else { return Ok(()) };
        from = format!(",\"ExclusiveStartKey\":{key}");
    }
}

/// The text of the last key. Values of keys here have no braces.
fn last_key(page: &str) -> Option<&str> {
    const NAME: &str = "\"LastEvaluatedKey\":";
    let key = &page[page.rfind(NAME)? + NAME.len()..];
    let mut depth = 0;
    for (index, byte) in key.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&key[..=index]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::last_key;

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        let key = r#"{"pk":{"S":"a"},"sk":{"S":"b"}}"#;
        for page in [
            format!(r#"{{"Items":[{{"x":{{"M":{{}}}}}}],"LastEvaluatedKey":{key}}}"#),
            format!(r#"{{"LastEvaluatedKey":{key},"Items":[],"Count":0}}"#),
        ] {
            assert_eq!(last_key(&page), Some(key));
        }
        assert_eq!(last_key(r#"{"Items":[],"Count":0}"#), None);
    }
}
