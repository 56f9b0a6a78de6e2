use proptest::prelude::*;

use super::*;

const SMALL: usize = 64;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

/// What came of a stream: rows put together again, and other messages between them.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Row(Vec<u8>),
    Other(Message),
}

/// Reads a stream that comes in pieces of these sizes, as `CopyOut` does.
fn seen(stream: &[u8], sizes: &[usize], capacity: usize) -> Vec<Seen> {
    let mut input = Input::new(capacity);
    let (mut seen, mut open, mut at) = (Vec::new(), Vec::new(), 0);
    for turn in 0.. {
        loop {
            let mut take = |piece: Piece<'_>| match piece {
                Piece::Row(row) => {
                    assert!(open.is_empty());
                    seen.push(Seen::Row(row.to_vec()));
                }
                Piece::Part(part) => {
                    assert!(!part.is_empty());
                    open.extend_from_slice(part);
                }
                Piece::Last(last) => {
                    open.extend_from_slice(last);
                    assert!(open.len() + HEADER > capacity);
                    seen.push(Seen::Row(std::mem::take(&mut open)));
                }
            };
            let (_, next) = input.rows(&mut take).unwrap();
            if next == Next::Read {
                assert_eq!(input.rows(&mut |_| panic!("twice")).unwrap(), (false, Next::Read));
                break;
            }
            match input.message(Rows::Keep).unwrap() {
                Some(message) => seen.push(Seen::Other(message)),
                None => break,
            }
        }
        if at == stream.len() && input.partial.is_none() {
            break;
        }
        let room = input.room();
        assert!(!room.is_empty());
        let bytes = sizes[turn % sizes.len()].min(room.len()).min(stream.len() - at);
        room[..bytes].copy_from_slice(&stream[at..at + bytes]);
        input.filled(bytes);
        at += bytes;
    }
    assert!(open.is_empty());
    seen
}

fn stream() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let length = prop_oneof![0..20usize, 50..70usize, 100..400usize];
    let body = length.prop_flat_map(|n| prop::collection::vec(any::<u8>(), n));
    prop::collection::vec((prop::bool::weighted(0.8), body), 0..30)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_messages(
        messages in stream(),
        sizes in prop::collection::vec(1..200usize, 1..20),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (row, body) in messages {
            let tag = if row { COPY_DATA } else { b'N' };
            bytes.extend(message(tag, &body));
            expected.push(if row { Seen::Row(body) } else { Seen::Other(Message { tag, body }) });
        }
        prop_assert_eq!(&seen(&bytes, &sizes, SMALL), &expected);
        prop_assert_eq!(&seen(&bytes, &[1], SMALL), &expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..SMALL)) {
        let mut input = Input::new(SMALL);
        input.room()[..bytes.len()].copy_from_slice(&bytes);
        input.filled(bytes.len());
        while let Ok((_, Next::Message)) = input.rows(&mut |_| {}) {
            if !matches!(input.message(Rows::Keep), Ok(Some(_))) {
                break;
            }
        }
    }
}

#[test]
fn discarded_rows_take_no_memory_and_lengths_are_checked() {
    let mut input = Input::new(SMALL);
    let bytes = [message(b'D', &[7; 1000]), message(b'Z', b"I")].concat();
    let mut found = None;
    for piece in bytes.chunks(SMALL / 2) {
        input.room()[..piece.len()].copy_from_slice(piece);
        input.filled(piece.len());
        found = input.message(Rows::Discard).unwrap();
        if let Some(partial) = &input.partial {
            assert_eq!(partial.message.body.capacity(), 0);
        }
    }
    assert_eq!(found, Some(Message { tag: b'Z', body: b"I".to_vec() }));

    for length in [-1_i32, 0, 3, i32::MIN] {
        let mut input = Input::new(SMALL);
        let header = [&b"E"[..], &length.to_be_bytes()].concat();
        input.room()[..5].copy_from_slice(&header);
        input.filled(5);
        assert!(matches!(input.message(Rows::Keep), Err(Failure::Protocol(_))), "{length}");
        assert!(matches!(input.rows(&mut |_| {}), Err(Failure::Protocol(_))), "{length}");
    }

    let mut input = Input::new(SMALL);
    input.room()[..5].copy_from_slice(b"E\x7f\xff\xff\xff");
    input.filled(5);
    let failure = input.message(Rows::Keep).unwrap_err();
    assert!(failure.to_string().contains("at most 65536"), "{failure}");
}
