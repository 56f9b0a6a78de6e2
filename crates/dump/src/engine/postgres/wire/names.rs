//! The common name of a certificate, which libpq takes where there is no other name.

/// id-at-commonName, 2.5.4.3 (RFC 5280, appendix A.1).
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SET: u8 = 0x31;
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// The first common name in a subject: the DER of an X.501 name without its outer sequence.
pub(super) fn common_name(mut subject: &[u8]) -> Option<&str> {
    while !subject.is_empty() {
        let (mut set, rest) = element(subject, Some(SET))?;
        subject = rest;
        while !set.is_empty() {
            let (attribute, rest) = element(set, Some(SEQUENCE))?;
            set = rest;
            let (kind, value) = element(attribute, Some(OBJECT_IDENTIFIER))?;
            if kind == COMMON_NAME {
                return str::from_utf8(element(value, None)?.0).ok();
            }
        }
    }
    None
}

/// The content of the first element, and what comes after it.
fn element(der: &[u8], tag: Option<u8>) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if tag.is_some_and(|tag| tag != found) {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Whether a host is the one that is named. A star stands for one label, the leftmost.
pub(super) fn name_fits(name: &str, host: &str) -> bool {
    if let Some(domain) = name.strip_prefix("*.") {
        return domain.contains('.')
            && host.split_once('.').is_some_and(|(label, rest)| {
                !label.is_empty() && rest.eq_ignore_ascii_case(domain)
            });
    }
    name.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_name_is_found_and_compared() {
        let attribute = |kind: u8, text: &str| {
            let length = |n: usize| u8::try_from(n).unwrap();
            let mut der = vec![SET, length(text.len() + 9), SEQUENCE, length(text.len() + 7)];
            der.extend([OBJECT_IDENTIFIER, 3, 0x55, 4, kind, 0x0c, length(text.len())]);
            der.extend(text.as_bytes());
            der
        };
        let subject = [attribute(10, "Organisation"), attribute(3, "db.internal")].concat();
        assert_eq!(common_name(&subject), Some("db.internal"));
        assert_eq!(common_name(&attribute(10, "Organisation")), None);
        for end in 0..subject.len() {
            assert_eq!(common_name(&subject[..end]), None);
        }
        assert!(name_fits("DB.internal", "db.Internal"));
        assert!(name_fits("*.db.internal", "a.db.internal"));
        for (name, host) in
            [("*.db.internal", "a.b.db.internal"), ("*.internal", "db.internal"), ("a", "b")]
        {
            assert!(!name_fits(name, host), "{name} {host}");
        }
    }
}
