//! Numbers as DynamoDB compares them: by their value, however they are written.

/// The form that all texts of the same number share, such as `-15e-1`; none where the text is no
/// number.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Some("0".to_owned());
    }
    let zeros = i64::try_from(digits.len() - kept.len()).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    let exponent = exponent.checked_sub(places)?.checked_add(zeros)?;
    Some(format!("{sign}{kept}e{exponent}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_of_one_number_have_one_form() {
        for (texts, form) in [
            (&["1", "1.0", "01", "+1", "1e0", "10E-1", "0.1e1", "1."][..], "1e0"),
            (&["0", "-0", "0.00", "0e7", "00"], "0"),
            (&["100", "1E2", "1e+2", "100.000"], "1e2"),
            (&["-1.5", "-15e-1", "-0.0150E2", "-1.50"], "-15e-1"),
            (&["1E-130", "0.1e-129"], "1e-130"),
            (
                &["1234567890123456789012345678901234567.8"],
                "12345678901234567890123456789012345678e-1",
            ),
        ] {
            for text in texts {
                assert_eq!(canonical(text).as_deref(), Some(form), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_number_has_none() {
        for text in ["", "-", ".", "e1", "1e", "1e1.5", "--1", "1 ", "0x1", "1,5", "NaN", "1e1e1"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn however_it_is_written_it_is_the_same_number(
            value in any::<i64>(),
            zeros in 0usize..20,
            places in 0i64..20,
        ) {
            let sign = if value < 0 { "-" } else { "" };
            let (before, after) = ("0".repeat(zeros), "0".repeat(zeros));
            let digits = value.unsigned_abs();
            let alone = canonical(&value.to_string());
            prop_assert_eq!(&canonical(&format!("{sign}{before}{digits}.{after}")), &alone);
            let ten = "0".repeat(usize::try_from(places).unwrap());
            prop_assert_eq!(&canonical(&format!("{value}{ten}E-{places}")), &alone);
            let other = canonical(&value.wrapping_add(1).to_string());
            prop_assert_ne!(&other, &alone);
        }
    }
}
