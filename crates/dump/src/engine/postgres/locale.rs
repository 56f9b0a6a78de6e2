//! The locale that a database is made with.

use super::toc::Toc;

/// The statement by which `pg_dump` makes the database again.
pub(crate) fn statement(toc: &Toc) -> Option<&str> {
    let entry = toc.entries.iter().find(|entry| entry.is("DATABASE"))?;
    std::str::from_utf8(entry.defn.as_deref()?).ok()
}

/// What follows the template in it, without the tablespace.
pub(crate) fn properties(statement: &str) -> Option<&str> {
    let (_, properties) = statement.rsplit_once(" WITH TEMPLATE = template0")?;
    let (properties, _) = properties.rsplit_once(';')?;
    if properties.contains([';', '"']) {
        return None;
    }
    Some(properties.split_once(" TABLESPACE = ").map_or(properties, |(some, _)| some))
}

/// The same in the words of a server of this version: `pg_dump` may be newer.
pub(crate) fn understood_by(version: u32, properties: &str) -> String {
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

/// The encoding alone.
pub(crate) fn encoding(properties: &str) -> String {
    properties
        .split_once(" ENCODING = '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map_or_else(String::new, |(name, _)| format!(" ENCODING = '{name}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_made_as_it_was_but_for_name_and_tablespace() {
        let locale = " ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'de_DE.UTF-8'";
        for defn in [
            format!("CREATE DATABASE app WITH TEMPLATE = template0{locale};\n"),
            format!(
                "CREATE DATABASE \"a b; c TEMPLATE = template0\" WITH TEMPLATE = template0{locale} TABLESPACE = y;\n"
            ),
        ] {
            assert_eq!(properties(&defn), Some(locale), "{defn}");
        }
        for defn in [
            "",
            "CREATE DATABASE app;\n",
            "CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8'; DROP TABLE x;\n",
        ] {
            assert_eq!(properties(defn), None, "{defn}");
        }
        for (version, expected) in [
            (15, locale),
            (13, " ENCODING = 'UTF8' LOCALE = 'de_DE.UTF-8'"),
            (12, " ENCODING = 'UTF8' LC_COLLATE = 'de_DE.UTF-8' LC_CTYPE = 'de_DE.UTF-8'"),
        ] {
            assert_eq!(understood_by(version, locale), expected);
        }
        assert_eq!(understood_by(12, " ENCODING = 'UTF8'"), " ENCODING = 'UTF8'");
        assert_eq!(encoding(locale), " ENCODING = 'UTF8'");
        assert_eq!(encoding(" LOCALE = 'C'"), "");
    }
}
