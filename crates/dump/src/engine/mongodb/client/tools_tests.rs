use super::*;

#[test]
fn versions_are_read() {
    for (text, expected) in [
        (
            "mongodump version: 100.7.0\ngit version: 17946f\nGo version: go1.19.3\n",
            Some("100.7.0"),
        ),
        ("mongodump version: 100.13.0-rc1", Some("100.13.0-rc1")),
        ("mongodump version: built-without-version-string", None),
        ("mongorestore version: 100.7.0", None),
        ("", None),
    ] {
        assert_eq!(parsed(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn directories_are_those_that_are_given_or_else_the_paths() {
    let path = Some(OsStr::new("/usr/bin::/bin"));
    let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(directories(None, path), paths(&["/usr/bin", "/bin"]));
    assert_eq!(directories(Some(""), path), paths(&["/usr/bin", "/bin"]));
    assert_eq!(directories(Some("/opt/a:/opt/b"), path), paths(&["/opt/a", "/opt/b"]));
    assert_eq!(directories(None, None), paths(&[]));
}

/// A shell writes it: a file that this process wrote could still be open in a child of another
/// test, and then not be executed.
fn program(directory: &Path, script: &str) {
    let text = "mkdir -p $1 && printf '#!/bin/sh\\n%s\\n' \"$2\" > $1/mongodump && chmod +x $1/*";
    let made = std::process::Command::new("/bin/sh")
        .args(["-ec", text, "sh"])
        .arg(directory)
        .arg(script)
        .status();
    assert!(made.unwrap().success());
}

#[tokio::test]
async fn the_first_one_that_tells_its_version_is_used() {
    let root = tempfile::tempdir().unwrap();
    let given: Vec<_> =
        ["missing", "fails", "odd", "good", "later"].map(|name| root.path().join(name)).into();
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(Mongodump::find(&[empty.path().to_owned()]).await, None);
    program(&given[1], "exit 127");
    program(&given[2], "echo hm");
    program(&given[3], "echo 'mongodump version: 100.7.0'");
    program(&given[4], "echo 'mongodump version: 100.9.0'");
    let found = Mongodump::find(&given).await.unwrap();
    assert_eq!(found.client(), "mongodump 100.7.0");
    assert_eq!(found.program, given[3].join("mongodump"));
    assert_eq!(Mongodump::find(&given[..3]).await, None);
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let directories = [PathBuf::from("/opt/a"), PathBuf::from("/opt/b")];
    let error = missing(&directories, "the option method is client");
    assert_eq!(error.class(), ErrorClass::Configuration);
    for part in ["\"/opt/a:/opt/b\"", "method is client", "mongodbTools", "AUTODUMP_MONGODB_BIN"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
