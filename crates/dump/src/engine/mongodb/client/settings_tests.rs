use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn secret(more: &[(&str, &str)]) -> SecretValue {
    let mut fields = serde_json::Map::new();
    for (name, value) in [
        ("engine", "mongodb"),
        ("username", "u:@/"),
        ("password", "p\"'%41: #\\{é"),
        ("host", "db"),
    ]
    .iter()
    .chain(more)
    {
        fields.insert((*name).to_owned(), serde_json::Value::from(*value));
    }
    if more.iter().any(|(name, _)| *name == "uri") {
        for name in ["username", "password", "host"] {
            fields.remove(name);
        }
    }
    SecretValue::parse(&serde_json::Value::from(fields).to_string()).unwrap()
}

fn text(secret: &SecretValue, preference: Option<ReadPreference>) -> String {
    config(&reached(secret, preference, None).unwrap().rebuilt())
}

/// The command with these arguments besides.
fn called(command: Command, secret: &SecretValue, bundle: &str) -> Command {
    let uri = reached(secret, Some(ReadPreference::Primary), None).unwrap();
    given(command, secret, Path::new(bundle), &uri).unwrap()
}

#[test]
fn the_connection_string_is_made_anew() {
    assert_eq!(
        text(&secret(&[]), None),
        "uri: \"mongodb://u%3A%40%2F:p%22%27%2541%3A%20%23%5C%7B%C3%A9@db:27017/?authSource=admin&\
         retryWrites=false&appName=autodump&readPreference=secondaryPreferred&tls=true\"\n"
    );
    let secret = secret(&[(
        "uri",
        "mongodb+srv://u:p%26x@c.example/shop?appName=x&readPreference=secondary&readPreferenceTags=a:b&tls=false",
    )]);
    let own = text(&secret, None);
    assert!(own.contains("readPreferenceTags=a%3Ab"), "{own}");
    assert!(own.ends_with("&appName=autodump&readPreference=secondary&tls=false\"\n"), "{own}");
    let nearest = text(&secret, Some(ReadPreference::Nearest));
    assert!(nearest.starts_with("uri: \"mongodb+srv://u:p%26x@c.example/?"), "{nearest}");
    assert!(nearest.contains("readPreferenceTags=a%3Ab"), "{nearest}");
    assert!(
        nearest.ends_with("&appName=autodump&readPreference=nearest&tls=false\"\n"),
        "{nearest}"
    );
    let primary = text(&secret, Some(ReadPreference::Primary));
    assert!(!primary.contains("readPreferenceTags"), "{primary}");
    assert_eq!(primary.matches("readPreference=").count(), 1, "{primary}");
}

#[test]
fn a_member_of_a_replica_set_is_not_read_alone() {
    let set = |more: &[(&str, &str)], set: Option<&str>| {
        let uri = reached(&secret(more), None, set.map(str::to_owned)).unwrap();
        uri.option("replicaSet").map(str::to_owned)
    };
    assert_eq!(set(&[], Some("rs0")).as_deref(), Some("rs0"));
    assert_eq!(set(&[], None), None);
    assert_eq!(set(&[("replicaset", "own")], Some("rs0")).as_deref(), Some("own"));
    for (option, is_told) in [
        ("directConnection=true", false),
        ("directConnection=false", true),
        ("loadBalanced=true", false),
    ] {
        let uri = format!("mongodb://u:p@h/shop?{option}");
        assert_eq!(set(&[("uri", &uri)], Some("rs0")).is_some(), is_told, "{option}");
    }
}

#[tokio::test]
async fn the_password_is_in_neither_arguments_nor_environment_and_can_be_read() {
    let script = "cat ${1#--config=}; cat ${1#--config=}; shift; echo $*; env";
    let shell = Command::new("/bin/sh").arguments(["-c", script, "sh"]);
    let secret = secret(&[]);
    let command = called(shell, &secret, "/bundle.pem");
    assert!(!format!("{command:?}").contains("p%22"), "{command:?}");
    let (output, exit) = command.output(8192, Duration::from_secs(20)).await.unwrap();
    assert!(exit.status.success(), "{exit}");
    let output = String::from_utf8(output).unwrap();
    let config = text(&secret, Some(ReadPreference::Primary));
    let rest = output.strip_prefix(&config.repeat(2)).unwrap();
    assert!(rest.starts_with("--sslCAFile=/bundle.pem\n"), "{rest}");
    assert!(rest.contains("PATH=") && !rest.contains("p%22") && !rest.contains("p\""), "{rest}");
}

#[test]
fn certificates_are_checked_where_the_mode_says_so() {
    let arguments = |more: &[(&str, &str)]| {
        let command = called(Command::new("mongodump"), &secret(more), "/b.pem");
        format!("{command:?}")
    };
    let flags = ["--sslCAFile=/b.pem", "--sslCAFile=/proc/self/fd/", "--tlsInsecure"];
    let pem = ("sslrootcert", "-----BEGIN CERTIFICATE-----");
    for (more, flag) in [
        (&[][..], Some(0)),
        (&[pem][..], Some(1)),
        (&[("sslmode", "require")][..], Some(2)),
        (&[("sslmode", "disable")][..], None),
        (&[("uri", "mongodb+srv://u:p@c.example/shop")][..], None),
    ] {
        let shown = arguments(more);
        for (number, text) in flags.iter().enumerate() {
            assert_eq!(shown.contains(text), flag == Some(number), "{more:?}: {shown}");
        }
    }
}

#[test]
fn what_is_dumped_is_said_without_limits_of_the_kernel() {
    assert_eq!(
        arguments(What::Everything, 99),
        ["--archive", "--numParallelCollections=8", "--oplog"]
    );
    let database = |without: &[String], with_users| {
        arguments(What::Database { name: "a-b", without, with_users }, 0)
    };
    let head = ["--archive", "--numParallelCollections=1", "--db=a-b"];
    assert_eq!(database(&[], false), head);
    let without = ["x y".to_owned(), "-z".to_owned()];
    let tail = ["--dumpDbUsersAndRoles", "--excludeCollection=x y", "--excludeCollection=-z"];
    assert_eq!(database(&without, true), [&head[..], &tail].concat());
    let many: Vec<_> = (0..50_000).map(|number| format!("collection {number:020}")).collect();
    let arguments = database(&many, false);
    let bytes: usize = arguments.iter().map(|argument| argument.len() + 1).sum();
    assert!(arguments.len() > 10_000 && bytes < ARGUMENTS + 100, "{bytes}");
}

proptest! {
    /// Whatever the password is, it comes back from the file, and the file has one line.
    #[test]
    fn any_password_is_carried(user in ".{1,20}", password in ".{1,40}") {
        let mut secret = secret(&[]);
        (secret.username, secret.password) = (user.clone(), Hidden::from(password.clone()));
        let text = text(&secret, None);
        prop_assert_eq!(text.matches('\n').count(), 1);
        let encoded = format!(":{}@", encoded(&secret).expose());
        prop_assert!(text.contains(&encoded));
        let json: String = serde_json::from_str(text.strip_prefix("uri: ").unwrap().trim()).unwrap();
        let uri = MongoUri::parse(&json).unwrap();
        prop_assert_eq!(uri.username, Some(user));
        let carried = uri.password.unwrap();
        prop_assert_eq!(carried.expose(), password);
    }
}
