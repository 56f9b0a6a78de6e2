use std::sync::Arc;

use autodump_core::ports::Upload as _;
use autodump_core::testing::MemoryStore;
use proptest::prelude::*;

use super::*;
use crate::progress::Progress;
use crate::uploader::Limits;

const MIB: usize = 1024 * 1024;

fn uploader(store: &MemoryStore, parts: u32) -> Arc<Uploader<MemoryStore>> {
    let limits = Limits { parts, ..Limits::default() };
    Uploader::new(store.clone(), limits, Arc::new(Progress::default()))
}

fn assembly(uploader: &Arc<Uploader<MemoryStore>>) -> Arc<Assembly<MemoryStore>> {
    let location = ObjectLocation { bucket: "b".to_owned(), key: "k".to_owned() };
    Arc::new(Assembly::new(uploader, location, 0, 16 * MIB as u64, Pieces::Whole))
}

async fn piece(uploader: &Uploader<MemoryStore>, content: Vec<u8>) -> Piece {
    Piece { bytes: content, permit: uploader.reserve(1).await.unwrap() }
}

/// Publishes what is staged, and returns content and segments of each object.
async fn published(
    assembly: &Assembly<MemoryStore>,
    store: &MemoryStore,
) -> Vec<(Vec<u8>, Vec<u64>)> {
    let mut all = Vec::new();
    for staged in assembly.staged().await.unwrap() {
        staged.upload.complete(staged.completion.clone()).await.unwrap();
        let content = store.object("b", &staged.location.key).unwrap().content;
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&content)), staged.sha256);
        all.push((content.to_vec(), staged.segments));
    }
    all
}

/// A piece that tells where it begins, where it ends, and what it is.
fn told(number: u8, length: usize) -> Vec<u8> {
    let mut piece = vec![number; length.max(2)];
    piece[0] = 254;
    *piece.last_mut().unwrap() = 255;
    piece
}

/// Each piece whole, in any order; panics otherwise.
fn pieces(content: &[u8]) -> Vec<(u8, usize)> {
    let mut found = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        assert_eq!(rest[0], 254, "a piece begins within another one");
        let length = rest.iter().position(|byte| *byte == 255).unwrap() + 1;
        let (piece, after) = rest.split_at(length);
        let number = piece.get(1).copied().filter(|_| length > 2).unwrap_or(0);
        assert!(piece[1..length - 1].iter().all(|byte| *byte == number), "a piece is torn");
        found.push((number, length));
        rest = after;
    }
    found.sort_unstable();
    found
}

#[tokio::test]
async fn an_object_without_any_content_is_an_empty_object() {
    let store = MemoryStore::default();
    let uploader = uploader(&store, 10);
    let assembly = assembly(&uploader);
    let mut sending = Sending::default();
    assembly.finish(&[], &mut sending).await.unwrap();
    sending.finish().await.unwrap();
    assert_eq!(published(&assembly, &store).await, [(Vec::new(), vec![0])]);
}

#[tokio::test]
async fn a_piece_in_several_goes_is_not_torn_and_is_one_segment() {
    let store = MemoryStore::default();
    let uploader = uploader(&store, 10);
    let assembly = assembly(&uploader);
    let (mut one, mut two) = (Hand::new(Arc::clone(&assembly)), Hand::new(Arc::clone(&assembly)));
    let mut sending = Sending::default();
    let long = told(1, 14 * MIB);
    one.append(piece(&uploader, long[..6 * MIB].to_vec()).await, false, &mut sending)
        .await
        .unwrap();
    let other = tokio::spawn({
        let piece = piece(&uploader, told(2, 6 * MIB)).await;
        async move {
            let mut sending = Sending::default();
            two.append(piece, true, &mut sending).await.unwrap();
            sending.finish().await.unwrap();
        }
    });
    tokio::task::yield_now().await;
    one.append(piece(&uploader, long[6 * MIB..12 * MIB].to_vec()).await, false, &mut sending)
        .await
        .unwrap();
    one.append(piece(&uploader, long[12 * MIB..].to_vec()).await, true, &mut sending)
        .await
        .unwrap();
    other.await.unwrap();
    assembly.finish(&told(3, 10), &mut sending).await.unwrap();
    sending.finish().await.unwrap();
    let [(content, segments)] = published(&assembly, &store).await.try_into().unwrap();
    assert_eq!(pieces(&content), [(1, 14 * MIB), (2, 6 * MIB), (3, 10)]);
    // The end of the long one was too short for a part, and waited for the other one.
    assert_eq!(segments, [20 * MIB as u64, 10]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Several hands, pieces of any length, few parts for an object: every piece comes out
    /// whole, and every segment is made of whole pieces.
    #[test]
    fn pieces_of_many_hands_come_out_whole(
        lengths in prop::collection::vec(prop_oneof![2..100usize, 2..7 * MIB], 1..14),
        hands in 1..4usize,
        parts in 1..4u32,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let store = MemoryStore::default();
            let uploader = uploader(&store, parts);
            let assembly = assembly(&uploader);
            let mut tasks = Vec::new();
            for hand in 0..hands {
                let mine: Vec<_> = lengths.iter().copied().enumerate()
                    .filter(|(number, _)| number % hands == hand).collect();
                let (uploader, assembly) = (Arc::clone(&uploader), Arc::clone(&assembly));
                tasks.push(tokio::spawn(async move {
                    let mut hand = Hand::new(assembly);
                    let mut sending = Sending::default();
                    for (number, length) in mine {
                        let number = u8::try_from(number).unwrap();
                        let piece = piece(&uploader, told(number, length)).await;
                        hand.append(piece, true, &mut sending).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    sending.finish().await.unwrap();
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            let mut sending = Sending::default();
            assembly.finish(&told(100, 3), &mut sending).await.unwrap();
            sending.finish().await.unwrap();
            let objects = published(&assembly, &store).await;
            let mut all = Vec::new();
            for (content, segments) in &objects {
                assert_eq!(segments.iter().sum::<u64>(), content.len() as u64);
                let mut rest = content.as_slice();
                for segment in segments {
                    let (segment, after) = rest.split_at(usize::try_from(*segment).unwrap());
                    all.extend(pieces(segment));
                    rest = after;
                }
            }
            all.sort_unstable();
            let mut expected: Vec<_> = lengths.iter().enumerate()
                .map(|(number, length)| {
                    (if *length > 2 { u8::try_from(number).unwrap() } else { 0 }, *length)
                })
                .collect();
            expected.push((100, 3));
            expected.sort_unstable();
            assert_eq!(all, expected);
        });
    }
}
