use bson::{RawDocument, RawDocumentBuf, rawdoc};

use super::{MAX_MESSAGE, Request, documents, read, write};
use crate::wire::reply::Reply;

fn framed(code: i32, body: &[u8]) -> Vec<u8> {
    let size = i32::try_from(16 + body.len()).unwrap();
    [[size, 7, 0, code].map(i32::to_le_bytes).concat(), body.to_vec()].concat()
}

/// An `OP_MSG` with these flags, a command, and two documents beside it.
fn message(flags: u32) -> Vec<u8> {
    let command = rawdoc! { "insert": "items", "$db": "shop" };
    let two = [rawdoc! { "_id": 1 }, rawdoc! { "_id": 2 }];
    let two: Vec<u8> = two.iter().flat_map(|one| one.as_bytes().to_vec()).collect();
    let size = u32::try_from(4 + "documents\0".len() + two.len()).unwrap();
    let mut body = flags.to_le_bytes().to_vec();
    body.push(1);
    body.extend_from_slice(&size.to_le_bytes());
    body.extend_from_slice(b"documents\0");
    body.extend_from_slice(&two);
    body.push(0);
    body.extend_from_slice(command.as_bytes());
    if flags & 1 != 0 {
        body.extend_from_slice(&[1, 2, 3, 4]);
    }
    framed(2013, &body)
}

/// An `OP_QUERY` as old clients begin with.
fn query() -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend_from_slice(b"admin.$cmd\0");
    body.extend_from_slice(&[0, 0, 0, 0, 255, 255, 255, 255]);
    body.extend_from_slice(rawdoc! { "isMaster": 1 }.as_bytes());
    framed(2004, &body)
}

async fn parsed(mut bytes: &[u8]) -> anyhow::Result<Option<Request>> {
    read(&mut bytes).await
}

#[tokio::test]
async fn a_command_comes_with_the_documents_beside_it() {
    for flags in [0, 1, 2] {
        let request = parsed(&message(flags)).await.unwrap().unwrap();
        assert_eq!((request.name.as_str(), request.database.as_str()), ("insert", "shop"));
        assert_eq!(request.subject(), Some("items"));
        assert_eq!(request.silent, flags == 2);
        let found = documents(request.sequence("documents").unwrap()).unwrap();
        let ids: Vec<_> = found.iter().map(|one| one.get_i32("_id").unwrap()).collect();
        assert_eq!(ids, [1, 2]);
        assert!(request.sequence("updates").is_none());
    }
}

#[tokio::test]
async fn old_clients_say_hello_by_a_query() {
    let request = parsed(&query()).await.unwrap().unwrap();
    assert_eq!((request.name.as_str(), request.database.as_str()), ("isMaster", "admin"));
    assert!(!request.silent);
}

#[tokio::test]
async fn every_message_that_is_cut_short_is_an_error() {
    assert!(parsed(&[]).await.unwrap().is_none());
    for whole in [message(0), query()] {
        for end in 1..whole.len() {
            assert!(parsed(&whole[..end]).await.is_err(), "{end} of {}", whole.len());
            // The same with a header that fits: the sections are cut short.
            if end > 16 {
                let code = i32::from_le_bytes(*whole[12..].first_chunk().unwrap());
                let kept = parsed(&framed(code, &whole[16..end])).await;
                assert!(kept.is_err(), "{end} of {}", whole.len());
            }
        }
    }
}

#[tokio::test]
async fn messages_of_no_sense_are_refused() {
    let too_large = [i32::try_from(MAX_MESSAGE).unwrap() + 1, 7, 0, 2013].map(i32::to_le_bytes);
    let negative = [-1, 7, 0, 2013].map(i32::to_le_bytes);
    let compressed = framed(2012, &[0; 20]);
    let no_database = framed(2013, &[&[0; 5], rawdoc! { "ping": 1 }.as_bytes()].concat());
    let unknown_section =
        framed(2013, &[&[0, 0, 0, 0, 9], rawdoc! { "ping": 1 }.as_bytes()].concat());
    for wrong in [too_large.concat(), negative.concat(), compressed, no_database, unknown_section] {
        assert!(parsed(&wrong).await.is_err(), "{wrong:?}");
    }
}

#[tokio::test]
async fn replies_go_to_their_requests_in_the_same_kind_of_message() {
    for (sent, code, between) in [(message(0), 2013, 5), (query(), 1, 20)] {
        let request = parsed(&sent).await.unwrap().unwrap();
        let mut written = Vec::new();
        write(&mut written, &request, &Reply::ok()).await.unwrap();
        let word = |at: usize| i32::from_le_bytes(*written[at..].first_chunk().unwrap());
        assert_eq!(usize::try_from(word(0)).unwrap(), written.len());
        assert_eq!((word(8), word(12)), (7, code));
        let document = RawDocument::from_bytes(&written[16 + between..]).unwrap();
        let ok: RawDocumentBuf = rawdoc! { "ok": 1.0 };
        assert_eq!(document, &*ok);
    }
}
