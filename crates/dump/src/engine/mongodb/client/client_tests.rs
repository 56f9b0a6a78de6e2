use super::*;

fn options(set: impl FnOnce(&mut DumpOptions)) -> DumpOptions {
    let mut options = DumpOptions::default();
    set(&mut options);
    options
}

#[test]
fn mongodump_is_used_where_it_has_to_be() {
    let all = |options: &mut DumpOptions| options.all_databases = Some(true);
    for (options, database, reason) in [
        (options(|_| ()), "shop", None),
        (options(|o| o.method = Some(MethodKind::Ranges)), "shop", None),
        (options(|o| o.method = Some(MethodKind::Client)), "shop", Some("method is client")),
        (options(|o| o.oplog = Some(true)), EVERYTHING, Some("oplog is yes")),
        (options(|o| o.globals = Some(true)), "shop", Some("globals is yes")),
        (options(|o| (o.globals = Some(true), all(o)).1), "shop", None),
        (options(|o| (o.globals = Some(true), all(o)).1), ADMIN, Some("in the database admin")),
    ] {
        let asked = asked(&options, database);
        assert_eq!(asked.is_some(), reason.is_some(), "{options:?}");
        assert!(asked.unwrap_or_default().ends_with(reason.unwrap_or_default()), "{asked:?}");
    }
}

/// mongorestore takes no users of the database admin by an option: they are its collections.
#[test]
fn users_are_restored_where_they_are() {
    let users = |o: &mut DumpOptions| o.globals = Some(true);
    let all = |o: &mut DumpOptions| (o.globals, o.all_databases) = (Some(true), Some(true));
    for (options, database, expected) in [
        (options(|_| ()), "shop", Archive::Database("shop")),
        (options(users), "shop", Archive::WithUsers("shop")),
        (options(users), ADMIN, Archive::Database(ADMIN)),
        (options(all), ADMIN, Archive::Database(ADMIN)),
        (options(all), "shop", Archive::Database("shop")),
        (options(|o| o.oplog = Some(true)), EVERYTHING, Archive::Everything),
    ] {
        assert_eq!(archive(&options, database), expected, "{options:?}");
        let is_told = matches!(expected, Archive::WithUsers(_));
        assert_eq!(with_users(&options, database), is_told, "{options:?}");
    }
}

#[test]
fn with_the_oplog_the_primary_is_read() {
    let (wanted, primary) = (Some(ReadPreference::Nearest), Some(ReadPreference::Primary));
    for (options, expected) in [
        (options(|_| ()), None),
        (options(|o| o.oplog = Some(true)), primary),
        (options(|o| o.read_preference = wanted), wanted),
        (options(|o| (o.oplog, o.read_preference) = (Some(false), wanted)), wanted),
        (options(|o| (o.oplog, o.read_preference) = (Some(true), wanted)), primary),
    ] {
        assert_eq!(preference(&options), expected);
    }
}
