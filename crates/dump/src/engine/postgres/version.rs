//! Versions of servers and clients.

/// The major version: that of `15.18` or `17beta1`.
pub(crate) fn major(version: &str) -> Option<u32> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_by_their_first_number() {
        let told = ["15.18", "18beta1", ""].map(major);
        assert_eq!(told, [Some(15), Some(18), None]);
    }
}
