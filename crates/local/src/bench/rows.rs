//! The benchmark's data: rows that look like those of a shop, in the text form of `COPY`.
//!
//! Some of it compresses well (log lines, JSON), some hardly (identifiers, tokens). Nothing here needs escaping.

use std::io::{self, Write};

use super::rng::Rng;

/// One table: its columns and how a row of it is written.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static str,
    /// Its part of the bytes of a shard, of 100.
    pub(super) percent: u64,
    row: fn(&mut Writer<'_>, u64) -> io::Result<()>,
}

/// All tables of a shard.
pub(super) const TABLES: [Table; 5] = [
    Table {
        name: "customers",
        columns: "id bigint, name text, email text, city text, country text, since timestamp, balance numeric(12,2)",
        percent: 10,
        row: customer,
    },
    Table {
        name: "orders",
        columns: "id bigint, customer bigint, placed timestamp, status text, total numeric(10,2), items int, token uuid",
        percent: 25,
        row: order,
    },
    Table {
        name: "events",
        columns: "id bigint, at timestamp, level text, service text, message text",
        percent: 25,
        row: event,
    },
    Table {
        name: "documents",
        columns: "id bigint, changed timestamp, body jsonb",
        percent: 25,
        row: document,
    },
    Table {
        name: "readings",
        columns: "sensor int, at timestamp, value double precision, quality smallint",
        percent: 15,
        row: reading,
    },
];

impl Table {
    /// Writes rows until they are `limit` bytes or a little more, and returns how many bytes they are.
    pub(super) fn write_rows(
        &self,
        out: &mut impl Write,
        limit: u64,
        seed: u64,
    ) -> io::Result<u64> {
        let mut rng = Rng::new(seed);
        let words = words();
        let mut block = Vec::with_capacity(BLOCK + 4096);
        let (mut written, mut id) = (0, 0);
        while written < limit {
            block.clear();
            while block.len() < BLOCK && written + (block.len() as u64) < limit {
                id += 1;
                (self.row)(&mut Writer { out: &mut block, rng: &mut rng, words: &words }, id)?;
                block.push(b'\n');
            }
            out.write_all(&block)?;
            written += block.len() as u64;
        }
        Ok(written)
    }
}

const BLOCK: usize = 128 << 10;

/// Writes values that look like those of a shop.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) rng: &'a mut Rng,
    /// What [`words`] gives.
    pub(super) words: &'a [String],
}

impl Writer<'_> {
    /// Common words far more often.
    pub(super) fn word(&mut self) -> &str {
        let index = self.rng.skewed(self.words.len() as u64);
        &self.words[usize::try_from(index).unwrap_or_default()]
    }

    pub(super) fn sentence(&mut self, words: u64) {
        for n in 0..words {
            if n > 0 {
                self.out.push(b' ');
            }
            let index = self.rng.skewed(self.words.len() as u64);
            let word = &self.words[usize::try_from(index).unwrap_or_default()];
            self.out.extend_from_slice(word.as_bytes());
        }
    }

    /// A time in about two years, rising with `id`.
    pub(super) fn time(&mut self, id: u64) -> io::Result<()> {
        let second = id * 7 + self.rng.below(7);
        let (day, second) = (second / 86_400, second % 86_400);
        let (year, month, day) = (2024 + day / 336 % 60, day / 28 % 12 + 1, day % 28 + 1);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let micros = self.rng.below(1_000_000);
        write!(self.out, "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
    }

    pub(super) fn money(&mut self, limit: u64) -> io::Result<()> {
        let cents = self.rng.skewed(limit * 100);
        write!(self.out, "{}.{:02}", cents / 100, cents % 100)
    }

    pub(super) fn uuid(&mut self) -> io::Result<()> {
        let (high, low) = (self.rng.next(), self.rng.next());
        let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
        write!(
            self.out,
            "{a:08x}-{b:04x}-4{c:03x}-{:04x}-{:012x}",
            low >> 50 | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }
}

fn customer(w: &mut Writer<'_>, id: u64) -> io::Result<()> {
    let (first, last, host) = (w.word().to_owned(), w.word().to_owned(), w.word().to_owned());
    let number = w.rng.below(100);
    write!(w.out, "{id}\t{first} {last}\t{first}.{last}{number}@{host}.example\t")?;
    let city =
        w.rng.pick(&["Berlin", "Lyon", "Porto", "Gdynia", "Uppsala", "Bologna", "Graz", "Cork"]);
    let country = w.rng.pick(&["DE", "FR", "PT", "PL", "SE", "IT", "AT", "IE"]);
    write!(w.out, "{city}\t{country}\t")?;
    w.time(id)?;
    w.out.push(b'\t');
    w.money(10_000)
}

fn order(w: &mut Writer<'_>, id: u64) -> io::Result<()> {
    write!(w.out, "{id}\t{}\t", w.rng.below(400_000))?;
    w.time(id)?;
    let status = w.rng.pick(&[
        "paid",
        "shipped",
        "delivered",
        "delivered",
        "delivered",
        "returned",
        "cancelled",
    ]);
    write!(w.out, "\t{status}\t")?;
    w.money(900)?;
    write!(w.out, "\t{}\t", 1 + w.rng.skewed(12))?;
    w.uuid()
}

fn event(w: &mut Writer<'_>, id: u64) -> io::Result<()> {
    write!(w.out, "{id}\t")?;
    w.time(id)?;
    let level = w.rng.pick(&["INFO", "INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"]);
    let service =
        w.rng.pick(&["checkout", "catalogue", "billing", "search", "accounts", "shipping"]);
    write!(
        w.out,
        "\t{level}\t{service}\trequest {:016x} took {} ms: ",
        w.rng.next(),
        w.rng.skewed(3000)
    )?;
    let words = 8 + w.rng.below(18);
    w.sentence(words);
    Ok(())
}

fn document(w: &mut Writer<'_>, id: u64) -> io::Result<()> {
    write!(w.out, "{id}\t")?;
    w.time(id)?;
    let kind = w.rng.pick(&["product", "product", "review", "basket"]);
    let locale = w.rng.pick(&["de-DE", "fr-FR", "pt-PT", "sv-SE"]);
    write!(w.out, "\t{{\"type\": \"{kind}\", \"locale\": \"{locale}\", \"title\": \"")?;
    w.sentence(4);
    w.out.write_all(b"\", \"items\": [")?;
    for n in 0..=w.rng.below(4) {
        let comma = if n > 0 { ", " } else { "" };
        write!(
            w.out,
            "{comma}{{\"sku\": \"{:08}\", \"quantity\": {}, \"price\": ",
            w.rng.below(90_000_000),
            n + 1
        )?;
        w.money(400)?;
        w.out.push(b'}');
    }
    let (active, score) = (w.rng.below(4) > 0, w.rng.below(50));
    write!(
        w.out,
        "], \"active\": {active}, \"score\": {}.{}, \"text\": \"",
        score / 10,
        score % 10
    )?;
    let words = 20 + w.rng.below(60);
    w.sentence(words);
    w.out.write_all(b"\"}")
}

fn reading(w: &mut Writer<'_>, id: u64) -> io::Result<()> {
    write!(w.out, "{}\t", 1000 + id % 250)?;
    w.time(id / 60)?;
    let (base, noise) = (15 + id % 250 / 25, w.rng.below(10_000));
    write!(w.out, "\t{base}.{noise:04}\t{}", w.rng.skewed(4))
}

/// 6,000 words of a language that does not exist, common ones first.
pub(super) fn words() -> Vec<String> {
    const ONSETS: [&str; 16] =
        ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st", "pr", "kl"];
    const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "ai", "ou", "ei"];
    const ENDS: [&str; 8] = ["", "", "n", "r", "s", "l", "nt", "m"];
    let mut rng = Rng::new(0x00a0_70d0);
    let mut words = Vec::with_capacity(6000);
    for n in 0..6000_u64 {
        let syllables = 1 + u64::from(n > 60) + rng.below(3) * u64::from(n > 400);
        let mut word = String::new();
        for _ in 0..syllables {
            for parts in [&ONSETS[..], &VOWELS[..], &ENDS[..]] {
                word.push_str(rng.pick(parts));
            }
        }
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::TABLES;

    #[test]
    fn shares_are_of_a_hundred() {
        assert_eq!(TABLES.iter().map(|table| table.percent).sum::<u64>(), 100);
    }

    #[test]
    fn rows_have_all_columns_and_nothing_to_escape() {
        for table in &TABLES {
            let mut out = Vec::new();
            let bytes = table.write_rows(&mut out, 200_000, 7).unwrap();
            assert_eq!(bytes, out.len() as u64);
            assert!((200_000..205_000).contains(&bytes), "{}: {bytes} bytes", table.name);
            let text = String::from_utf8(out).unwrap();
            let kind = |c: char| u64::from(c == '(') + u64::from(c == ')') * 2;
            let mut depth = 0;
            let mut columns = 1;
            for c in table.columns.chars() {
                match kind(c) {
                    1 => depth += 1,
                    2 => depth -= 1,
                    _ => columns += usize::from(c == ',' && depth == 0),
                }
            }
            for line in text.lines() {
                assert_eq!(line.split('\t').count(), columns, "{}: {line}", table.name);
                assert!(!line.contains('\\'), "{line}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_rows() {
        let rows = |seed| {
            let mut out = Vec::new();
            TABLES[3].write_rows(&mut out, 50_000, seed).unwrap();
            out
        };
        assert_eq!(rows(1), rows(1));
        assert_ne!(rows(1), rows(2));
    }

    #[test]
    fn documents_are_json() {
        let mut out = Vec::new();
        TABLES[3].write_rows(&mut out, 50_000, 3).unwrap();
        for line in String::from_utf8(out).unwrap().lines() {
            let body = line.split('\t').nth(2).unwrap();
            serde_json::from_str::<serde_json::Value>(body).unwrap();
        }
    }
}
