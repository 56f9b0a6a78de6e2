use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::super::budget::Budget;
use super::*;
use autodump_core::ports::ListedPage;
use autodump_core::testing::{Call, Cut, FaultyStore, MemoryStore};

fn at(key: &str) -> ObjectLocation {
    ObjectLocation { bucket: "b".to_owned(), key: key.to_owned() }
}

fn free(bytes: u64) -> Result<Charge> {
    let full = |used| Error::new(ErrorClass::Configuration, format!("{used} are used"), "-");
    Budget::new(u64::MAX).take(bytes).map_err(full)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn remote<R>(reader: R) -> Arc<Remote<R>> {
    Arc::new(Remote::new(reader, at("k")))
}

#[tokio::test]
async fn the_bytes_come_in_order_however_they_are_taken() {
    let store = MemoryStore::default();
    let content: Vec<u8> = (0..=250u8).cycle().take(100_000).collect();
    store.put(&at("k"), content.clone());
    for step in [1000, 7, 65_536, 1_000_000] {
        let file = remote(store.clone());
        let content = content.clone();
        blocking(move || {
            let mut window = Window::new(file, 100..90_100, step);
            let mut taken = Vec::new();
            for length in [1, 0, 999, 5000, 20_000, 3, 64_000 - 3].into_iter().cycle() {
                let peeked = window.peek(length, free).unwrap().to_vec();
                let left = usize::try_from(window.left()).unwrap();
                assert_eq!(peeked.len(), length.min(left));
                let bytes = window.take(length.min(left)).unwrap();
                assert!(bytes == peeked);
                taken.extend_from_slice(&bytes);
                if window.left() == 0 {
                    break;
                }
            }
            assert!(taken == content[100..90_100], "{step}");
            assert_eq!(window.peek(10, free).unwrap(), b"");
        })
        .await;
    }
}

#[tokio::test]
async fn what_breaks_is_an_error() {
    let memory = MemoryStore::default();
    memory.put(&at("k"), vec![1; 5000]);
    let cut = Cut { nth_get: 2, after: 500, class: ErrorClass::Source };
    let store = FaultyStore::new(memory, Vec::new()).with_cuts(vec![cut]);
    let file = remote(store.clone());
    let error = blocking(move || {
        let mut window = Window::new(file, 0..5000, 1000);
        assert_eq!(window.take(1000).unwrap().len(), 1000);
        window.take(2000).unwrap_err()
    });
    assert_eq!(error.await.class(), ErrorClass::Source);
    assert!(store.count(Call::Get) >= 2);
}

/// Zeros, and how many were asked for at once.
#[derive(Default)]
struct Zeros(Mutex<Vec<u64>>);

impl Ranges for Zeros {
    fn begin(&self, range: Range<u64>) -> JoinHandle<Result<Bytes>> {
        let length = range.end - range.start;
        self.0.lock().unwrap().push(length);
        Handle::current().spawn(async move { Ok(vec![0; usize::try_from(length).unwrap()].into()) })
    }

    fn wait(&self, begun: JoinHandle<Result<Bytes>>) -> Result<Bytes> {
        Handle::current().block_on(begun).unwrap()
    }
}

#[tokio::test]
async fn what_is_skipped_is_not_held_and_pieces_have_an_end() {
    let zeros = Arc::new(Zeros::default());
    let file = Arc::clone(&zeros);
    blocking(move || {
        let mut window = Window::new(Arc::clone(&file) as Arc<dyn Ranges>, 0..20 << 20, 1000);
        window.skip(9_999_500).unwrap();
        assert!(file.0.lock().unwrap().iter().all(|length| *length == 1000));
        assert_eq!(window.take(10_000_000).unwrap().len(), 10_000_000);
        assert_eq!(window.left(), (20 << 20) - 19_999_500);
    })
    .await;
    let longest = zeros.0.lock().unwrap().iter().copied().max();
    assert_eq!(longest, Some(LARGEST_PIECE as u64));
}

#[tokio::test]
async fn a_long_look_is_charged_until_its_bytes_are_taken() {
    let file = Arc::new(Zeros::default());
    blocking(move || {
        let budget = Budget::new(20_000);
        let full = |used| Error::new(ErrorClass::Configuration, format!("{used} are used"), "-");
        let charge = |bytes| budget.take(bytes).map_err(full);
        let mut window = Window::new(file, 0..100_000, 1000);
        assert_eq!(window.peek(256, charge).unwrap().len(), 256);
        window.take(900).unwrap();
        assert_eq!(window.peek(256, charge).unwrap().len(), 256);
        assert_eq!(budget.used(), 0);
        assert_eq!(window.peek(8000, charge).unwrap().len(), 8000);
        assert_eq!(budget.used(), 8100);
        // Those before are still there while they are put together with more.
        let error = window.peek(50_000, charge).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        window.skip(50_000).unwrap();
        assert_eq!(budget.used(), 0);
    })
    .await;
}

/// A store that counts how many read of it at a time.
#[derive(Clone, Default)]
struct Busy {
    memory: MemoryStore,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl ObjectReader for Busy {
    type Content = <MemoryStore as ObjectReader>::Content;

    async fn get(&self, at: &ObjectLocation, range: Option<Range<u64>>) -> Result<Self::Content> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.now.fetch_sub(1, Ordering::Relaxed);
        self.memory.get(at, range).await
    }

    async fn page(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<ListedPage> {
        self.memory.page(bucket, prefix, after).await
    }
}

#[tokio::test]
async fn only_some_requests_are_made_at_a_time() {
    let store = Busy::default();
    store.memory.put(&at("k"), vec![1; 5000]);
    let file = remote(store.clone());
    let most = blocking(move || {
        let open = |at| Window::new(Arc::clone(&file) as Arc<dyn Ranges>, at..at + 5, 5);
        let mut windows: Vec<_> = (0..300).map(open).collect();
        // One that is given up gives its turn to others.
        windows.truncate(250);
        for window in windows.iter_mut().rev() {
            assert_eq!(window.take(5).unwrap().len(), 5);
        }
        store.most.load(Ordering::Relaxed)
    });
    let most = most.await;
    assert!((2..=REQUESTS).contains(&most), "{most}");
}
