//! The locale that a database is made with.

use crate::engine::postgres::toc::Toc;

/// What follows the template where `pg_dump` makes the database again.
pub(super) fn properties(toc: &Toc) -> Option<&str> {
    let entry = toc.entries.iter().find(|entry| entry.is("DATABASE"))?;
    let statement = std::str::from_utf8(entry.defn.as_deref()?).ok()?;
    let (_, properties) = statement.rsplit_once(" WITH TEMPLATE = template0")?;
    let (properties, _) = properties.rsplit_once(';')?;
    if properties.contains([';', '"']) {
        return None;
    }
    Some(properties.split_once(" TABLESPACE = ").map_or(properties, |(some, _)| some))
}

/// The same in the words of a server of this version: `pg_dump` may be newer.
pub(super) fn understood_by(version: u32, properties: &str) -> String {
    let mut properties = properties.to_owned();
    if version < 15 {
        properties = properties.replace(" LOCALE_PROVIDER = libc", "");
    }
    let locale = properties.split_once(" LOCALE = '").and_then(|(before, rest)| {
        let (locale, after) = rest.split_once('\'')?;
        Some(format!("{before} LC_COLLATE = '{locale}' LC_CTYPE = '{locale}'{after}"))
    });
    if version < 13 { locale.unwrap_or(properties) } else { properties }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::postgres::toc::samples::{bytes, entry, toc};
    use crate::engine::postgres::toc::{Entry, Section, Version};

    fn made_by(defn: &str) -> Toc {
        let database = entry(1, "DATABASE", "app", Section::PreData);
        toc(Version::V1_14, vec![Entry { defn: bytes(defn), ..database }])
    }

    #[test]
    fn the_database_is_made_as_it_was_but_for_name_and_tablespace() {
        let locale = " ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'de_DE.UTF-8'";
        for defn in [
            format!("CREATE DATABASE app WITH TEMPLATE = template0{locale};\n"),
            format!(
                "CREATE DATABASE \"a b; c\" WITH TEMPLATE = template0{locale} TABLESPACE = y;\n"
            ),
        ] {
            assert_eq!(properties(&made_by(&defn)), Some(locale), "{defn}");
        }
        for defn in [
            "",
            "CREATE DATABASE app;\n",
            "CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8'; DROP TABLE x;\n",
        ] {
            assert_eq!(properties(&made_by(defn)), None, "{defn}");
        }
        for (version, expected) in [
            (15, locale),
            (13, " ENCODING = 'UTF8' LOCALE = 'de_DE.UTF-8'"),
            (12, " ENCODING = 'UTF8' LC_COLLATE = 'de_DE.UTF-8' LC_CTYPE = 'de_DE.UTF-8'"),
        ] {
            assert_eq!(understood_by(version, locale), expected);
        }
        assert_eq!(understood_by(12, " ENCODING = 'UTF8'"), " ENCODING = 'UTF8'");
    }
}
