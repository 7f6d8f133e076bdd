//! How many datagrams the system threw away.

use std::fs;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_net::UdpSocket;
use millstream_engine::runtime::Instant;

/// How often the system is asked, at most.
const PERIOD: Duration = Duration::from_secs(1);

/// Counts the datagrams the system dropped at a socket, mostly because its buffer was full.
///
/// Known on Linux; elsewhere it stays 0. It is at most a second behind while datagrams come in.
#[derive(Clone, Debug, Default)]
pub struct DropCounter(Arc<AtomicU64>);

impl DropCounter {
    /// At 0.
    pub fn new() -> Self {
        DropCounter::default()
    }

    /// How many were dropped so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Keeps a [`DropCounter`] up to date.
pub(super) struct DropWatch {
    counter: DropCounter,
    inode: Option<String>,
    seen: u64,
    asked: Option<Instant>,
}

impl DropWatch {
    pub(super) fn new(socket: &UdpSocket, counter: DropCounter) -> Self {
        DropWatch {
            counter,
            inode: inode_of(socket),
            seen: 0,
            asked: None,
        }
    }

    /// Asks the system, if it was not asked just now.
    pub(super) fn look(&mut self, now: Instant) {
        if self.asked.is_none_or(|asked| now - asked >= PERIOD) {
            self.asked = Some(now);
            self.ask();
        }
    }

    pub(super) fn ask(&mut self) {
        let Some(dropped) = self.inode.as_deref().and_then(dropped_at) else {
            return;
        };
        let new = dropped.saturating_sub(self.seen);
        if new > 0 {
            tracing::warn!(
                new,
                "datagrams dropped by the system: the flow is too slow for them"
            );
            self.counter.0.fetch_add(new, Ordering::Relaxed);
            self.seen = dropped;
        }
    }
}

/// By which number the system's table knows the socket.
fn inode_of(socket: &UdpSocket) -> Option<String> {
    let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok()?;
    let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    Some(inode.to_owned())
}

/// The last column of the socket's row (proc_net_udp in the kernel's documentation).
fn dropped_at(inode: &str) -> Option<u64> {
    const INODE: usize = 9;
    ["/proc/self/net/udp", "/proc/self/net/udp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| {
            let mut rows = table.lines().map(str::split_ascii_whitespace);
            let row = rows.find(|row| row.clone().nth(INODE) == Some(inode))?;
            row.last()?.parse().ok()
        })
}
