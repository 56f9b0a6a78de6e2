//! What Linux tells about a running process.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Ticks per second of the times in `/proc`: a constant of Linux's interface, whatever the kernel's own rate.
const TICKS: f64 = 100.0;

/// Highest memory and processor time of a process so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// The most memory that was resident at any time (`VmHWM`), in KiB.
    pub(super) peak_kib: u64,
    /// User and system time, in seconds, to a hundredth.
    pub(super) cpu_s: f64,
}

/// A process as it is now. `None` when it has ended.
pub(super) fn usage(pid: u32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(Usage { peak_kib: peak_kib(&status)?, cpu_s: cpu_s(&stat)? })
}

/// The processor time of this process so far, in seconds.
pub(super) fn own_cpu_s() -> f64 {
    usage(std::process::id()).unwrap_or_default().cpu_s
}

fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The name in a `stat` line may hold anything, so fields are counted from the last parenthesis: utime is the 12th
/// after it and stime the 13th.
fn cpu_s(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let utime: f64 = fields.next()?.parse().ok()?;
    let stime: f64 = fields.next()?.parse().ok()?;
    Some((utime + stime) / TICKS)
}

fn name(pid: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// The processes that any thread of this one has started and that still run.
fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// Watches a process and its direct children. What it knows is as new as the last [`Watch::sample`]; a peak is kept
/// by the kernel, so only a rise in the last moment before the end can be missed.
#[derive(Debug)]
pub(super) struct Watch {
    pid: u32,
    own: Usage,
    children: BTreeMap<String, Usage>,
}

impl Watch {
    /// How often to sample.
    pub(super) const EVERY: Duration = Duration::from_millis(10);

    pub(super) fn new(pid: u32) -> Self {
        Self { pid, own: Usage::default(), children: BTreeMap::new() }
    }

    pub(super) fn sample(&mut self) {
        if let Some(now) = usage(self.pid) {
            self.own = now;
        }
        for child in children(self.pid) {
            // Between fork and exec a child still has its parent's name and memory; by name the two are kept apart.
            let (Some(name), Some(now)) = (name(child), usage(child)) else { continue };
            let seen = self.children.entry(name).or_default();
            seen.peak_kib = seen.peak_kib.max(now.peak_kib);
            seen.cpu_s = seen.cpu_s.max(now.cpu_s);
        }
    }

    /// The process itself.
    pub(super) fn own(&self) -> Usage {
        self.own
    }

    /// The largest of its children with this name; zeros when there was none.
    pub(super) fn child(&self, name: &str) -> Usage {
        self.children.get(name).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        let status = "Name:\tx\nVmPeak:\t 9000 kB\nVmHWM:\t    6812 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(peak_kib(status), Some(6812));
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 3 0 100 1 1 1";
        assert!((cpu_s(stat).unwrap() - 1.75).abs() < 1e-9);
    }

    #[test]
    fn a_process_and_its_child_are_seen() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let mut watch = Watch::new(std::process::id());
        for _ in 0..200 {
            watch.sample();
            // For a moment after the start there is next to nothing.
            if watch.child("sleep").peak_kib > 100 {
                break;
            }
            std::thread::sleep(Watch::EVERY);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(watch.own().peak_kib > 1000, "{watch:?}");
        assert!(watch.child("sleep").peak_kib > 100, "{watch:?}");
        assert_eq!(watch.child("none"), Usage::default());
    }
}
