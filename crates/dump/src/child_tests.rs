use std::os::unix::process::ExitStatusExt;
use std::time::Instant;

use super::*;

fn shell(script: &str) -> Command {
    Command::new("/bin/sh").arguments(["-c", script])
}

async fn run(script: &str) -> (Vec<u8>, Exit) {
    shell(script).output(1 << 20, Duration::from_secs(20)).await.unwrap()
}

#[tokio::test]
async fn output_and_exit_code_come_back() {
    let (output, exit) = run("echo out; echo first >&2; echo second >&2; exit 3").await;
    assert_eq!(output, b"out\n");
    assert_eq!(exit.to_string(), "sh ended with exit code 3: first / second");
}

#[tokio::test]
async fn beginning_and_end_of_a_long_standard_error_are_kept() {
    let (_, exit) = run("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done").await;
    assert!(exit.stderr.len() <= HEAD + TAIL + 10);
    assert!(exit.stderr.starts_with("line 0\n") && exit.stderr.ends_with("line 2999"));
    assert!(!exit.stderr.contains("line 1000\n"));
}

#[tokio::test]
async fn a_signal_is_named() {
    let (_, exit) = run("kill -9 $$").await;
    assert_eq!(exit.status.signal(), Some(9));
    assert_eq!(exit.to_string(), "sh was killed by signal 9 and wrote no error");
}

#[tokio::test]
async fn the_environment_is_empty_but_for_what_is_given() {
    let command = Command::new("/usr/bin/env").variable("PGHOST", "here");
    let (output, _) = command.output(1 << 20, Duration::from_secs(20)).await.unwrap();
    let output = String::from_utf8(output).unwrap();
    assert!(output.contains("PGHOST=here\n"));
    // Cargo sets many variables for its tests; none of them may be seen.
    let stray = output.lines().find(|line| {
        !INHERITED.iter().chain(&["PGHOST"]).any(|name| line.starts_with(&format!("{name}=")))
    });
    assert_eq!(stray, None);
}

#[tokio::test]
async fn stop_asks_first_and_then_kills() {
    for (script, signal) in [("exec sleep 60", 15), ("trap '' TERM; while :; do :; done", 9)] {
        let mut running = shell(script).start().unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let start = Instant::now();
        running.stop(Duration::from_millis(500)).await;
        assert!(start.elapsed() < Duration::from_secs(5), "{script}");
        assert_eq!(running.exit().await.unwrap().status.signal(), Some(signal), "{script}");
    }
}

#[tokio::test]
async fn no_answer_in_time_is_an_error_of_the_source() {
    let error = shell("sleep 60").output(100, Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = Command::new("/nowhere/pg_dump").start().unwrap_err();
    assert!(error.what().starts_with("/nowhere/pg_dump cannot be started: No such file"));
}

#[test]
fn beginning_and_end_of_long_complaints_are_kept() {
    let mut words = Words::default();
    words.push(b"first words");
    assert_eq!(words.text(), "first words");
    for _ in 0..100 {
        words.push(&[b'x'; 500]);
    }
    words.push(b"last words");
    let text = words.text();
    assert!(text.starts_with("first wordsxxx") && text.ends_with("xxxlast words"));
    assert!(text.contains("\n…\n") && text.len() < HEAD + TAIL + 10, "{}", text.len());

    let status = std::process::Command::new("false").status().unwrap();
    let exit = Exit { program: "pg_dump".to_owned(), status, stderr: "ü".repeat(4000) };
    assert!(exit.to_string().chars().count() < LINE + 60, "{exit}");
}
