//! The real program against a real PostgreSQL and the least of AWS.
#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "support/cloud.rs"]
mod cloud;
#[path = "../../crates/dump/tests/support/postgres.rs"]
#[allow(dead_code, clippy::misnamed_getters)]
mod postgres;

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cloud::{Cloud, State};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

pub(crate) const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-AbCdEf";

fn cloud(secret: &Value) -> State {
    State {
        secret: secret.to_string(),
        tags: vec![("autodump:start-schedule".to_owned(), "0 8 * * *".to_owned())],
        ..State::default()
    }
}

fn secret(server: &postgres::Server) -> Value {
    json!({
        "engine": "postgres", "endpoint": "localhost", "port": server.port, "databasename": "shop",
        "username": "postgres", "password": postgres::PASSWORD,
        "sslrootcert": server.certificate(),
    })
}

fn dumper(endpoint: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dumper"));
    command
        .env_clear()
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "access")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AUTODUMP_BUCKET", "backups")
        .env("AUTODUMP_TAG_PREFIX", "autodump")
        .env("AUTODUMP_RESOURCE_ARN", ARN)
        .env("AUTODUMP_TAG_HASH", format!("v1:{}", "0".repeat(64)))
        .env("AUTODUMP_START", "2026-11-22T08:00:00Z")
        .env("AUTODUMP_EXECUTION_ARN", "arn:aws:states:eu-central-1:1:execution:AutoDump:x")
        .env("AWS_BATCH_JOB_ID", "job")
        .env("AWS_BATCH_JOB_ATTEMPT", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Every line of the log is a JSON object, and none has the password.
fn log(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains(postgres::PASSWORD.trim()), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn wait_for(cloud: &Cloud, what: impl Fn(&State) -> bool) {
    let start = Instant::now();
    while !what(&cloud.state.lock().unwrap()) {
        assert!(start.elapsed() < Duration::from_secs(30), "it never came to that");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn terminate(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

/// The program as a job that verifies.
fn verifier(endpoint: &str, level: &str) -> Command {
    let mut command = dumper(endpoint);
    command
        .env("AUTODUMP_VERB", "verify")
        .env("AUTODUMP_BUCKETS", "others backups")
        .env("AUTODUMP_VERIFY", level);
    command
}

/// The same, with SIGQUIT ignored, as a shell has it for what it starts in the background.
fn ignoring_quit(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "trap '' QUIT; exec \"$0\""])
        .arg(command.get_program())
        .env_clear()
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// The program as a job that restores.
fn restorer(endpoint: &str, manifest: &str) -> Command {
    let input = json!({"manifest": manifest, "to": ARN, "options": {"jobs": 2}});
    let mut command = dumper(endpoint);
    command.env("AUTODUMP_VERB", "restore").env("AUTODUMP_RESTORE", input.to_string());
    command
}

/// The results of verifications, by their paths.
fn results(cloud: &Cloud) -> Vec<(String, Value)> {
    let state = cloud.state.lock().unwrap();
    let results = state.objects.iter().filter(|(path, _)| path.contains("/verification-"));
    results.map(|(path, text)| (path.clone(), serde_json::from_slice(text).unwrap())).collect()
}

#[test]
fn a_tagged_secret_becomes_a_backup_that_is_verified_and_restored() {
    let Some(server) = postgres::start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE t AS SELECT i, md5(i::text) AS m FROM generate_series(1, 50000) i",
    );
    let cloud = cloud::start(cloud(&secret(&server)));
    let output = dumper(&cloud.endpoint).output().unwrap();
    let dump_log = log(&output);
    assert_eq!(output.status.code(), Some(0), "{dump_log:?}");
    assert_eq!(dump_log.last().unwrap()["message"], "backup complete");
    let changed = |line: &Value| line["message"].as_str().unwrap().contains("tags changed");
    assert!(dump_log.iter().any(changed));
    let (directory, data) = {
        let state = cloud.state.lock().unwrap();
        assert!(state.open.is_empty());
        let proof = state.objects.keys().find(|path| path.ends_with("/manifest.json")).unwrap();
        let data = state.objects.keys().find(|path| path.contains("/shop/public.t-")).unwrap();
        (proof.strip_suffix("manifest.json").unwrap().to_owned(), data.clone())
    };

    for level in ["checksum", "restore"] {
        cloud.state.lock().unwrap().objects.retain(|path, _| !path.contains("/verification-"));
        let output = verifier(&cloud.endpoint, level).output().unwrap();
        let log = log(&output);
        assert_eq!(output.status.code(), Some(0), "{log:?}");
        let last = log.last().unwrap();
        assert_eq!(last["message"], "verification complete");
        assert_eq!((&last["passed"], &last["problems"]), (&json!(true), &json!("[]")));
        let [(path, result)] = results(&cloud).try_into().unwrap();
        assert!(path.starts_with(&directory), "{path}");
        assert_eq!((&result["level"], &result["passed"]), (&json!(level), &json!(true)));
    }

    server.sql("postgres", "CREATE DATABASE restored");
    let mut to = secret(&server);
    to["databasename"] = json!("restored");
    cloud.state.lock().unwrap().secret = to.to_string();
    let manifest = format!("s3:/{directory}manifest.json");
    let output = restorer(&cloud.endpoint, &manifest).output().unwrap();
    let restore_log = log(&output);
    assert_eq!(output.status.code(), Some(0), "{restore_log:?}");
    let last = restore_log.last().unwrap();
    assert_eq!((&last["message"], &last["rows"]), (&json!("restore complete"), &json!(50_000)));
    let sum = "SELECT count(*), md5(string_agg(t::text, '' ORDER BY i)) FROM t";
    assert_eq!(server.sql("restored", sum), server.sql("shop", sum));

    // Once more into a database that is not empty any more.
    let output = restorer(&cloud.endpoint, &manifest).output().unwrap();
    let last = log(&output).pop().unwrap();
    assert_eq!((output.status.code(), &last["message"]), (Some(10), &json!("the restore failed")));

    cloud.state.lock().unwrap().objects.get_mut(&data).unwrap()[100] ^= 1;
    cloud.state.lock().unwrap().objects.retain(|path, _| !path.contains("/verification-"));
    let output = verifier(&cloud.endpoint, "checksum").output().unwrap();
    assert_eq!(output.status.code(), Some(16));
    let last = log(&output).pop().unwrap();
    assert_eq!(
        (&last["class"], &last["message"]),
        (&json!("verification"), &json!("the verification failed"))
    );
    let [(_, result)] = results(&cloud).try_into().unwrap();
    assert_eq!(result["passed"], false);
    assert!(result["problems"][0].as_str().unwrap().contains(&data), "{result}");
}

#[test]
fn no_backup_of_the_execution_is_a_failed_verification() {
    let cloud = cloud::start(cloud(&json!({})));
    let output = verifier(&cloud.endpoint, "archive").output().unwrap();
    assert_eq!(output.status.code(), Some(16));
    let last = log(&output).pop().unwrap();
    assert!(
        last["what"].as_str().unwrap().starts_with("there is no backup of execution"),
        "{last}"
    );
}

/// The server that a verification restores into does not outlive it.
#[test]
fn a_verification_that_is_killed_leaves_no_server() {
    let Some(server) = postgres::start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server
        .sql("shop", "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 200000) i");
    let cloud = cloud::start(cloud(&secret(&server)));
    assert!(dumper(&cloud.endpoint).status().unwrap().success());
    for signal in [Signal::KILL, Signal::TERM] {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        std::fs::set_permissions(scratch.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = verifier(&cloud.endpoint, "restore");
        let command = command.env("AUTODUMP_SCRATCH", scratch.path());
        let mut child = ignoring_quit(command).spawn().unwrap();
        // Not what is about to become the server, and cannot see yet that its parent is gone.
        let server = |entry: std::fs::DirEntry| {
            let command = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            let is_server = command.split('\0').next()?.ends_with("/postgres");
            (is_server && command.contains(scratch.path().to_str()?)).then_some(command)
        };
        let running = || std::fs::read_dir("/proc").unwrap().flatten().find_map(server);
        let within = |what: bool, why: &str| {
            let start = Instant::now();
            while running().is_some() != what {
                let late = start.elapsed() > Duration::from_secs(30);
                assert!(!late, "{why}: {:?}", running());
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        within(true, "the server does not start");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        within(false, "the server still runs");
        if signal == Signal::TERM {
            assert_eq!(status.code(), Some(143));
            assert!(scratch.path().read_dir().unwrap().next().is_none(), "something was left");
        }
    }
}

#[test]
fn an_unknown_verb_is_a_configuration_error() {
    let output = dumper("http://127.0.0.1:1").env("AUTODUMP_VERB", "copy").output().unwrap();
    assert_eq!(output.status.code(), Some(10));
    let last = log(&output).pop().unwrap();
    assert!(last["what"].as_str().unwrap().starts_with("AUTODUMP_VERB is \"copy\""), "{last}");
}

#[test]
fn every_class_has_its_exit_code_and_leaves_nothing() {
    let Some(server) = postgres::start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    for (field, value, code, class) in [
        ("engine", json!("oracle"), 10, "configuration"),
        ("databasename", json!("nowhere"), 10, "configuration"),
        ("password", json!("wrong"), 11, "credentials"),
        ("port", json!(1), 12, "source"),
    ] {
        let mut secret = secret(&server);
        secret[field] = value;
        let cloud = cloud::start(cloud(&secret));
        let output = dumper(&cloud.endpoint).output().unwrap();
        let last = log(&output).pop().unwrap();
        assert_eq!(output.status.code(), Some(code), "{last}");
        assert_eq!((&last["class"], &last["exit_code"]), (&json!(class), &json!(code)));
        let state = cloud.state.lock().unwrap();
        assert!(state.objects.is_empty() && state.open.is_empty());
    }
}

#[test]
fn a_missing_variable_is_a_configuration_error() {
    let output = dumper("http://127.0.0.1:1").env_remove("AUTODUMP_BUCKET").output().unwrap();
    assert_eq!(output.status.code(), Some(10));
    let last = log(&output).pop().unwrap();
    assert_eq!(last["what"], "the environment lacks AUTODUMP_BUCKET");
}

#[test]
fn an_invalid_tag_is_a_configuration_error() {
    let mut state = cloud(&json!({}));
    state.tags.push(("autodump:size".to_owned(), "huge".to_owned()));
    let cloud = cloud::start(state);
    let output = dumper(&cloud.endpoint).output().unwrap();
    assert_eq!(output.status.code(), Some(10));
    assert!(log(&output).pop().unwrap()["what"].as_str().unwrap().contains("huge"));
}

/// Each is right by itself, and nobody sees both before the dump.
#[test]
fn a_tag_and_a_field_that_do_not_go_together_are_a_configuration_error() {
    for (fields, tag, says) in [
        (
            json!({ "engine": "postgres", "databases": "all" }),
            ("tables", "app.orders"),
            "the option tables does not go with databases = all",
        ),
        (
            json!({ "engine": "postgres" }),
            ("collections", "orders"),
            "the option collections means nothing to the engine postgres",
        ),
        (
            json!({ "engine": "mongodb" }),
            ("tables", "app.orders"),
            "the option tables means nothing to the engine mongodb",
        ),
        (
            json!({ "engine": "mongo", "databasename": null }),
            ("read-preference", "primary"),
            "the secret names no database",
        ),
    ] {
        let mut secret = json!({
            "endpoint": "127.0.0.1", "port": 1, "databasename": "shop", "username": "app",
            "password": "none",
        });
        secret.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let mut state = cloud(&secret);
        state.tags.push((format!("autodump:{}", tag.0), tag.1.to_owned()));
        let cloud = cloud::start(state);
        let output = dumper(&cloud.endpoint).output().unwrap();
        let last = log(&output).pop().unwrap();
        assert_eq!((output.status.code(), &last["class"]), (Some(10), &json!("configuration")));
        assert!(last["what"].as_str().unwrap().starts_with(says), "{last}");
        let state = cloud.state.lock().unwrap();
        assert!(state.objects.is_empty() && state.open.is_empty());
    }
}

/// On AWS that is how a tag that was removed and a secret that was deleted look.
#[test]
fn a_secret_that_is_refused_has_perhaps_lost_its_tag() {
    let cloud = cloud::start(State { refuses: true, ..cloud(&json!({})) });
    let output = dumper(&cloud.endpoint).output().unwrap();
    assert_eq!(output.status.code(), Some(11));
    let last = log(&output).pop().unwrap();
    let hint = last["hint"].as_str().unwrap();
    assert!(hint.contains("tag was removed") && hint.contains("deleted"), "{last}");
    assert!(!last.to_string().contains("ListSecrets"), "{last}");
    assert_eq!(last["message"], "the dump failed");
}

/// While parts are on their way to a store that does not answer.
#[test]
fn asked_to_stop_it_aborts_and_exits_with_143() {
    let Some(server) = postgres::start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE t AS SELECT md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 1000000) i",
    );
    let cloud = cloud::start(State { hangs: true, ..cloud(&secret(&server)) });
    let child = dumper(&cloud.endpoint).spawn().unwrap();
    wait_for(&cloud, |state| !state.open.is_empty());
    std::thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{:?}", log(&output));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let state = cloud.state.lock().unwrap();
    assert!(state.objects.is_empty() && state.open.is_empty());
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'autodump'";
    let start = Instant::now();
    while server.sql("shop", left).trim() != "0" {
        assert!(start.elapsed() < Duration::from_secs(5), "pg_dump's session is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Before the dump begins: the secret cannot be read yet.
#[test]
fn asked_to_stop_early_it_exits_with_143() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let child = dumper(&format!("http://{}", silent.local_addr().unwrap())).spawn().unwrap();
    let _connection = silent.accept().unwrap();
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{:?}", log(&output));
}
