use super::*;
use crate::engine::postgres::toc::samples::{entry, toc};
use crate::engine::postgres::toc::{Entry, Section, Version};

fn of(id: i32, kind: &str, needs: &[i32]) -> Entry {
    let section = if kind.starts_with("TABLE") { Section::PreData } else { Section::PostData };
    Entry { dependencies: needs.to_vec(), ..entry(id, kind, "name", section) }
}

fn delicate_of(entries: Vec<Entry>) -> Vec<i32> {
    let contents = Contents::read(&toc(Version::V1_14, entries).write()).unwrap();
    let ids: BTreeSet<_> = contents.items.iter().map(|item| item.id).collect();
    delicate(&contents, &ids).into_iter().collect()
}

#[test]
fn what_locks_partitions_comes_last() {
    let entries = vec![
        of(1, "TABLE", &[]),
        of(2, "TABLE", &[]),
        of(3, "TABLE ATTACH", &[1, 2]),
        of(4, "TABLE", &[]),
        of(10, "CONSTRAINT", &[1]),
        of(11, "CONSTRAINT", &[2]),
        of(12, "CONSTRAINT", &[4]),
        of(13, "INDEX", &[2]),
        of(20, "INDEX ATTACH", &[11, 10]),
        of(30, "TRIGGER", &[1]),
        of(31, "TRIGGER", &[4]),
        of(32, "COMMENT", &[30]),
        // By the constraint of a partitioned table, and between others.
        of(40, "FK CONSTRAINT", &[4, 10]),
        of(41, "FK CONSTRAINT", &[4, 12]),
        of(50, "EVENT TRIGGER", &[]),
    ];
    assert_eq!(delicate_of(entries), [20, 30, 32, 40, 50]);
}

#[test]
fn without_partitions_everything_is_parallel() {
    let entries = vec![
        of(4, "TABLE", &[]),
        of(12, "CONSTRAINT", &[4]),
        of(31, "TRIGGER", &[4]),
        of(41, "FK CONSTRAINT", &[4, 12]),
        of(50, "EVENT TRIGGER", &[]),
    ];
    assert_eq!(delicate_of(entries), Vec::<i32>::new());
}
