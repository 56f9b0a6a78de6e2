use std::path::Path;

use autodump_core::secret::SecretValue;
use autodump_core::{Error, ErrorClass};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

const AUTHENTICATION_OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";
const READY: &[u8] = b"Z\0\0\0\x05I";

fn endpoint(port: u16, sslmode: &str) -> Endpoint {
    let secret = json!({
        "engine": "postgres", "host": "127.0.0.1", "port": port, "dbname": "d", "username": "u",
        "password": "geheim", "sslmode": sslmode,
    });
    let secret = SecretValue::parse(&secret.to_string()).unwrap();
    Endpoint::new(&secret, Path::new("/nowhere")).unwrap()
}

/// A server that, again and again, waits for bytes and then sends the next of the answers. It
/// returns all it got, once all answers are sent.
async fn scripted(answers: &[&[u8]]) -> (u16, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers: Vec<_> = answers.iter().map(|answer| answer.to_vec()).collect();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        for answer in answers {
            let mut buffer = vec![0; 4096];
            let bytes = stream.read(&mut buffer).await.unwrap();
            buffer.truncate(bytes);
            got.push(buffer);
            stream.write_all(&answer).await.unwrap();
        }
        got
    });
    (port, server)
}

async fn refused(sslmode: &str, answers: &[&[u8]]) -> Error {
    let (port, server) = scripted(answers).await;
    let failure = Session::connect(&endpoint(port, sslmode)).await.unwrap_err();
    assert!(!format!("{failure:?}").contains("geheim"));
    server.abort();
    failure.into()
}

#[tokio::test]
async fn answers_to_the_request_for_tls() {
    let error = refused("require", &[b"N"]).await;
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.to_string().contains("does not support SSL"), "{error}");

    let said = refused("require", &[b"EFATAL: send me your password\0"]).await;
    assert_eq!(said.class(), ErrorClass::Source);
    assert!(!said.to_string().contains("send me"), "{said}");

    let error = refused("require", &[b"?"]).await;
    assert_eq!(error.class(), ErrorClass::Engine);
}

/// CVE-2021-23222: what is put behind the answer must never count as the server's.
#[tokio::test]
async fn plain_bytes_behind_the_answer_are_never_taken_for_the_servers() {
    let injected = [b"S", AUTHENTICATION_OK, READY].concat();
    let error = refused("require", &[&injected]).await;
    assert_eq!(error.class(), ErrorClass::Source);
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[tokio::test]
async fn prefer_does_without_tls_where_there_is_none() {
    let welcome = [AUTHENTICATION_OK, READY].concat();
    let (port, server) = scripted(&[b"N", &welcome]).await;
    let session = Session::connect(&endpoint(port, "prefer")).await.unwrap();
    assert!(session.is_ready());
    let got = server.await.unwrap();
    let startup = String::from_utf8_lossy(&got[1]).into_owned();
    assert!(startup.contains("application_name\0autodump\0"), "{startup}");
}

#[tokio::test]
async fn whatever_may_come_before_the_server_is_ready_is_taken() {
    let welcome = [
        b"v\0\0\0\x0c\0\0\0\0\0\0\0\0",
        AUTHENTICATION_OK,
        b"N\0\0\0\x0fSNOTICE\0\0\0\0",
        b"S\0\0\0\x15server_version\x0017\0".get(..22).unwrap(),
        b"A\0\0\0\x0a\0\0\0\x01x\0",
        b"K\0\0\0\x0c\0\0\x10\x01\0\0\0\x07",
        READY,
    ]
    .concat();
    let (port, _server) = scripted(&[&welcome]).await;
    let session = Session::connect(&endpoint(port, "disable")).await.unwrap();
    assert_eq!(session.process_id(), 4097);
    assert_eq!(session.parameter("server_version"), Some("17"));
    assert_eq!(session.parameter("no_such"), None);
}

#[tokio::test]
async fn a_password_goes_out_as_the_server_asks_for_it() {
    let welcome = [AUTHENTICATION_OK, READY].concat();
    let ask = b"R\0\0\0\x0c\0\0\0\x05\x01\x02\x03\x04";
    let (port, server) = scripted(&[ask, &welcome]).await;
    Session::connect(&endpoint(port, "disable")).await.unwrap();
    let expected = md5_of("geheim", "u", [1, 2, 3, 4]);
    let got = server.await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got[1][5..]), format!("{expected}\0"));

    let (port, server) = scripted(&[b"R\0\0\0\x08\0\0\0\x03", &welcome]).await;
    let mut session = Session::connect(&endpoint(port, "disable")).await.unwrap();
    assert_eq!(server.await.unwrap()[1], b"p\0\0\0\x0bgeheim\0");

    let failure = session.cleartext(false, b"geheim").unwrap_err();
    assert!(failure.to_string().contains("clear text, without TLS"), "{failure}");
    assert_eq!(Error::from(failure).class(), ErrorClass::Configuration);
}

fn md5_of(password: &str, user: &str, salt: [u8; 4]) -> String {
    postgres_protocol::authentication::md5_hash(user.as_bytes(), password.as_bytes(), salt)
}

#[tokio::test]
async fn a_server_that_skips_its_own_proof_is_not_trusted() {
    let sasl = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
    let sasl = [&sasl[..4], &[u8::try_from(sasl.len() - 1).unwrap()], &sasl[5..]].concat();
    let welcome = [AUTHENTICATION_OK, READY].concat();
    let early = refused("disable", &[&sasl, &welcome]).await;
    assert_eq!(early.class(), ErrorClass::Credentials);
    assert!(early.to_string().contains("does not prove"), "{early}");

    for end in [&b"R\0\0\0\x0c\0\0\0\x0bv=xx"[..], b"R\0\0\0\x0c\0\0\0\x0cv=xx"] {
        let error = refused("disable", &[&sasl, end]).await;
        assert_eq!(error.class(), ErrorClass::Credentials, "{error}");
    }
    let error = refused("disable", &[&sasl, READY]).await;
    assert_eq!(error.class(), ErrorClass::Engine, "{error}");

    let gss = b"R\0\0\0\x08\0\0\0\x07";
    let error = refused("disable", &[gss]).await;
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.to_string().contains("method 7"), "{error}");
}

/// A crashing server says so in a warning, and then hangs up.
#[tokio::test]
async fn a_warning_of_the_end_is_the_reason_for_the_end() {
    let fields = b"SWARNING\0VWARNING\0C57P02\0Mterminating connection because of crash\0\0";
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    let warning = [b"N", &length[..], fields].concat();
    let welcome = [AUTHENTICATION_OK, READY].concat();
    let (port, _server) = scripted(&[&welcome, &warning]).await;
    let mut session = Session::connect(&endpoint(port, "disable")).await.unwrap();
    let failure = session.execute("SELECT 1").await.unwrap_err();
    assert_eq!(failure.code(), Some("57P02"));
    assert!(failure.is_lost());
    assert!(matches!(session.execute("SELECT 1").await, Err(Failure::Lost(..))));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let failure = Session::connect(&endpoint(port, "disable")).await.unwrap_err();
    assert!(failure.is_lost());
    let error = Error::from(failure);
    assert_eq!(error.class(), ErrorClass::Source);
    let what = format!("cannot connect to 127.0.0.1:{port} (127.0.0.1): no answer within 15 s");
    assert_eq!(error.what(), what);
}

#[test]
fn addresses_are_written_as_usual() {
    let mut endpoint = endpoint(5432, "disable");
    assert_eq!(endpoint.address(), "127.0.0.1:5432");
    endpoint.host = "::1".to_owned();
    assert_eq!(endpoint.address(), "[::1]:5432");
    assert!(!format!("{endpoint:?}").contains("geheim"));
}
