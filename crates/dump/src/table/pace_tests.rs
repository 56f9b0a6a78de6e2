use std::sync::{Arc, Mutex};

use super::*;

fn scan(limit: Option<f64>, item_bytes: u64) -> Scan {
    Scan {
        segments: 4,
        ranges: 2,
        parallel: None,
        at_once: 4,
        consistent: false,
        units_per_second: limit,
        compression: "zstd:1".to_owned(),
        object_bytes: 1,
        item_bytes,
        items: 0,
    }
}

/// Reads for so many seconds pages of items that cost `item` units, and says what was consumed.
async fn consumed(pace: &Arc<Pace>, hands: u32, seconds: u64, item: f64) -> f64 {
    let end = Instant::now() + Duration::from_secs(seconds);
    let hand = || {
        let pace = Arc::clone(pace);
        async move {
            let mut all = 0.0;
            loop {
                let turn = pace.turn().await;
                sleep(Duration::from_millis(10)).await;
                if Instant::now() >= end {
                    return all;
                }
                let largest = f64::floor(pace.largest / item).max(1.0);
                let items = turn.limit.map_or(largest, |limit| f64::from(limit).min(largest));
                let units = (items * item * 2.0).ceil() / 2.0;
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "small"
                )]
                pace.answered(&turn, units, items as u64);
                all += units;
            }
        }
    };
    let hands = (0..hands).map(|_| tokio::spawn(hand()));
    futures_util::future::join_all(hands).await.into_iter().map(Result::unwrap).sum()
}

#[tokio::test(start_paused = true)]
async fn a_range_takes_its_share_and_no_more() {
    for (limit, item_bytes, item) in [
        (20.0, 400, 0.05),
        (400.0, 400, 0.05),
        (20.0, 0, 50.0),
        (3.0, 100_000, 0.01),
        (0.5, 0, 0.5),
    ] {
        for hands in [1, 8] {
            let pace = Arc::new(Pace::new(&scan(Some(limit), item_bytes)));
            let share = limit / 2.0 * 600.0;
            let units = consumed(&pace, hands, 600, item).await;
            let largest = f64::max(item, 128.0_f64.min(limit));
            let most = share + largest * f64::from(hands);
            assert!(units <= most, "{units} of {share} with {hands} hands of {limit}, {item}");
            assert!(
                units >= share * 0.85 - largest,
                "{units} of {share}, {hands} hands, {limit}, {item}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_nobody_waits() {
    let pace = Pace::new(&scan(None, 400));
    let begin = Instant::now();
    for _ in 0..1000 {
        let turn = pace.turn().await;
        assert_eq!(turn.limit, None);
        pace.answered(&turn, 128.0, 2000);
    }
    assert_eq!(Instant::now(), begin);
}

#[tokio::test(start_paused = true)]
async fn a_page_costs_about_a_second_at_most() {
    for (limit, item_bytes, items) in [
        // 10 a second for each of two ranges; an item of 400 bytes is 0.0488 units.
        (20.0, 400, Some(204)),
        (20.0, 400_000, Some(1)),
        (0.2, 400, Some(2)),
        (20.0, 0, Some(20)),
        (256.0, 400, None),
        (255.0, 4096, Some(255)),
    ] {
        let turn = Pace::new(&scan(Some(limit), item_bytes)).turn().await;
        assert_eq!(turn.limit, items, "{limit} {item_bytes}");
    }
    // What is seen counts more than what was said.
    let pace = Pace::new(&scan(Some(20.0), 400));
    for _ in 0..30 {
        let turn = pace.turn().await;
        pace.answered(&turn, 50.0, 10);
    }
    assert_eq!(pace.turn().await.limit, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_debt_is_waited_off() {
    let pace = Pace::new(&scan(Some(20.0), 400));
    let turn = pace.turn().await;
    pace.answered(&turn, 100.0, 1);
    let begin = Instant::now();
    pace.turn().await;
    let waited = begin.elapsed().as_secs_f64();
    // Up to four pages of a second's worth are saved up besides.
    assert!((8.9..14.1).contains(&waited), "{waited}");
}

fn rate(pace: &Pace) -> f64 {
    let mut state = pace.state();
    state.fill(pace.limit);
    state.rate.unwrap()
}

#[tokio::test(start_paused = true)]
async fn throttling_without_an_answer_halves_the_rate_and_it_recovers() {
    let pace = Pace::new(&scan(Some(80.0), 400));
    let turn = || Turn { limit: None, taken: 0.0 };
    for _ in 0..5 {
        pace.throttled(&turn(), 0).unwrap();
    }
    assert!((rate(&pace) - 20.0).abs() < 0.01);
    sleep(Duration::from_secs(1)).await;
    pace.throttled(&turn(), 0).unwrap();
    // It has grown by a quarter before.
    assert!((rate(&pace) - 12.5).abs() < 0.1, "{}", rate(&pace));
    sleep(Duration::from_secs(50)).await;
    assert!((rate(&pace) - 40.0).abs() < 0.01, "{}", rate(&pace));
    for _ in 0..100 {
        sleep(Duration::from_secs(1)).await;
        pace.throttled(&turn(), 0).unwrap();
    }
    assert!(rate(&pace) >= SLOWEST, "{}", rate(&pace));
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_limit_one_is_learnt() {
    let pace = Pace::new(&scan(None, 400));
    for _ in 0..100 {
        let turn = pace.turn().await;
        pace.answered(&turn, 100.0, 2000);
        sleep(Duration::from_millis(100)).await;
    }
    let turn = pace.turn().await;
    pace.throttled(&turn, 0).unwrap();
    let learnt = 1000.0 * MARGIN;
    assert!((learnt * 0.95..learnt * 1.06).contains(&rate(&pace)), "{}", rate(&pace));
    sleep(Duration::from_secs(10)).await;
    assert!(rate(&pace) > learnt * 3.0, "{}", rate(&pace));
    assert_eq!(pace.turn().await.limit, None, "what is learnt makes no small pages");
    // Throttled before anything was answered.
    let pace = Pace::new(&scan(None, 400));
    let turn = pace.turn().await;
    pace.throttled(&turn, 0).unwrap();
    assert!((rate(&pace) - 256.0).abs() < 0.01, "{}", rate(&pace));
}

/// A table that others use, too.
struct Table {
    /// Units that it has a second, and the most that it keeps for later.
    capacity: f64,
    kept: f64,
    left: f64,
    at: Instant,
    calls: u64,
    /// It throttles every so many calls, whatever it has.
    every: u64,
}

impl Table {
    fn new(capacity: f64, kept: f64, every: u64) -> Mutex<Self> {
        Mutex::new(Self { capacity, kept, left: kept, at: Instant::now(), calls: 0, every })
    }

    /// Whether so many units are given. A page may cost more than is left.
    fn gives(&mut self, units: f64) -> bool {
        self.calls += 1;
        self.left = (self.left + self.at.elapsed().as_secs_f64() * self.capacity).min(self.kept);
        self.at = Instant::now();
        let given = self.left > 0.0 && (self.every == 0 || !self.calls.is_multiple_of(self.every));
        self.left -= if given { units } else { 0.0 };
        given
    }
}

/// Reads pages of 128 units with some hands for so long, and gives the units.
async fn read(limit: Option<f64>, hands: u32, table: &Mutex<Table>, time: Duration) -> f64 {
    // Two ranges.
    let pace = Pace::new(&scan(limit.map(|limit| limit * 2.0), 400));
    let begin = Instant::now();
    let hand = || async {
        let (mut all, mut tries) = (0.0, 0);
        while begin.elapsed() < time {
            let turn = pace.turn().await;
            sleep(Duration::from_millis(20)).await;
            let items = turn.limit.unwrap_or(2500).min(2500);
            let units = f64::from(items) * 128.0 / 2500.0;
            if table.lock().unwrap().gives(units) {
                pace.answered(&turn, units, items.into());
                (all, tries) = (all + units, 0);
            } else {
                sleep(pace.throttled(&turn, tries).unwrap()).await;
                tries += 1;
            }
        }
        all
    };
    futures_util::future::join_all((0..hands).map(|_| hand())).await.into_iter().sum()
}

/// Others read a unit at a time, so many a second, and do not ask again for what is throttled.
/// Gives the share that they got.
async fn others(table: &Mutex<Table>, time: Duration, wanted: impl Fn(Duration) -> f64) -> f64 {
    let begin = Instant::now();
    let (mut asked, mut got, mut owed) = (0.0, 0.0, 0.0);
    while begin.elapsed() < time {
        sleep(Duration::from_millis(5)).await;
        owed += wanted(begin.elapsed()) * 0.005;
        while owed >= 1.0 {
            owed -= 1.0;
            asked += 1.0;
            got += if table.lock().unwrap().gives(1.0) { 1.0 } else { 0.0 };
        }
    }
    got / asked
}

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn a_table_that_throttles_now_and_then_is_read_on() {
    let never = read(None, 4, &Table::new(f64::MAX, f64::MAX, 0), MINUTE).await;
    for (every, share) in [(30, 0.5), (3, 1.0 / 300.0)] {
        let units = read(None, 4, &Table::new(f64::MAX, f64::MAX, every), MINUTE).await;
        // It does not become slower and slower.
        assert!(units > never * share, "{units} of {never}, each {every}");
    }
}

/// Somewhat less than all: each time the table throttles too much, the scan gives up a third, and
/// takes it back slowly.
#[tokio::test(start_paused = true)]
async fn what_a_table_has_is_used() {
    for (hands, capacity) in [(4, 500.0), (16, 500.0), (16, 3000.0)] {
        let units = read(None, hands, &Table::new(capacity, capacity, 0), MINUTE).await;
        let most = capacity * 61.0;
        assert!(units > most * 0.7, "{units} of {most} by {hands}");
    }
}

/// They do not ask again: who does, as every client of DynamoDB, gets all.
#[tokio::test(start_paused = true)]
async fn others_get_nearly_all_that_they_want_and_the_scan_most_of_the_rest() {
    let time = MINUTE * 3;
    for (limit, hands, capacity, wanted, least) in [
        (None, 16, 1000.0, 600.0, 0.9),
        (None, 64, 1000.0, 300.0, 0.9),
        (None, 16, 10_000.0, 7000.0, 0.9),
        (Some(500.0), 16, 1000.0, 900.0, 0.9),
        // A page is half of what the table has in a second.
        (Some(50.0), 16, 100.0, 60.0, 0.8),
    ] {
        let table = Table::new(capacity, capacity, 0);
        let scan = read(limit, hands, &table, time);
        let (units, share) = tokio::join!(scan, others(&table, time, |_| wanted));
        let rest = (capacity - wanted) * time.as_secs_f64();
        assert!(share > least, "{share} of {wanted} for others, {limit:?}, {capacity}");
        assert!(units > rest * 0.75, "{units} of {rest}, {limit:?}, {capacity}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_scan_gives_way_to_others_who_come_later() {
    let time = MINUTE * 4;
    let table = Table::new(1000.0, 1000.0, 0);
    let wanted = |at: Duration| if (at.as_secs() / 60).is_multiple_of(2) { 200.0 } else { 800.0 };
    let (units, share) = tokio::join!(read(None, 16, &table, time), others(&table, time, wanted));
    assert!(share > 0.85, "{share}");
    assert!(units > 500.0 * 240.0 * 0.5, "{units}");
    // There is nothing left for it, and it goes on nevertheless.
    let table = Table::new(1000.0, 1000.0, 0);
    let scan = read(Some(500.0), 16, &table, time);
    let (units, share) = tokio::join!(scan, others(&table, time, |_| 1500.0));
    assert!(share > 0.55, "{share} of 2/3");
    assert!(units > 128.0 * 20.0, "{units}");
}

#[tokio::test(start_paused = true)]
async fn pauses_are_drawn_from_longer_and_longer_times() {
    let pace = Pace::new(&scan(None, 400));
    for (tries, most) in [(0, 0.1), (1, 0.2), (5, 3.2), (8, 20.0), (1000, 20.0)] {
        let turn = || Turn { limit: None, taken: 0.0 };
        let drawn: Vec<_> =
            (0..200).map(|_| pace.throttled(&turn(), tries).unwrap().as_secs_f64()).collect();
        let (least, longest) =
            drawn.iter().fold((f64::MAX, 0.0_f64), |(a, b), d| (a.min(*d), b.max(*d)));
        assert!(longest <= most, "{longest} of {most}");
        assert!(least < most / 5.0 && longest > most * 0.8, "{least} to {longest} of {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_counted_from_the_first_throttling_without_an_answer_since() {
    let pace = Pace::new(&scan(Some(1.0), 400));
    let turn = || Turn { limit: None, taken: 0.0 };
    pace.throttled(&turn(), 0).unwrap();
    sleep(Duration::from_secs(899)).await;
    pace.throttled(&turn(), 0).unwrap();
    pace.answered(&turn(), 1.0, 1);
    sleep(SILENCE).await;
    pace.throttled(&turn(), 0).unwrap();
    sleep(SILENCE).await;
    let error = pace.throttled(&turn(), 0).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
    assert!(error.what().contains("15 minutes"), "{error}");
}
