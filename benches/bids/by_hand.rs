//! The same by hand: as many threads as replicas take 1 MiB chunks of the file by turns, parse their lines in
//! place, and keep a hash map for each window; at the end the maps are merged and written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::sync::Mutex;

use hashbrown::HashMap;

use super::{Bid, Row, WINDOW_SECONDS};

const CHUNK: usize = 1 << 20;
const WINDOW: i64 = WINDOW_SECONDS as i64 * 1_000;

/// By window, then by auction: how many bids, and the highest.
type Windows = BTreeMap<i64, HashMap<u64, (u64, u64)>>;

pub(crate) fn run(bids: &Path, out: &Path, threads: usize) {
    let file = File::open(bids).expect("the bids can be opened");
    let cursor = Mutex::new((file, Vec::new()));
    let mut parts: Vec<Windows> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| scope.spawn(|| count(&cursor)))
            .collect();
        let mut parts = vec![count(&cursor)];
        parts.extend(
            others
                .into_iter()
                .map(|other| other.join().expect("a thread")),
        );
        parts
    });
    let mut windows = parts.pop().unwrap_or_default();
    for (window, auctions) in parts.into_iter().flatten() {
        let merged = windows.entry(window).or_default();
        for (auction, (bids, highest)) in auctions {
            let entry = merged.entry(auction).or_insert((0, 0));
            *entry = (entry.0 + bids, entry.1.max(highest));
        }
    }
    write(&windows, out);
}

fn count(cursor: &Mutex<(File, Vec<u8>)>) -> Windows {
    let mut windows = Windows::new();
    let mut chunk = Vec::new();
    // Bids come nearly in order: the window of the one before is at hand.
    let mut last: (i64, HashMap<u64, (u64, u64)>) = (i64::MIN, HashMap::new());
    while next_chunk(cursor, &mut chunk) {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len() - 1);
            let bid: Bid = serde_json::from_slice(&rest[..end]).expect("a bid");
            rest = &rest[end + 1..];
            let window = bid.date_time - bid.date_time.rem_euclid(WINDOW);
            if window != last.0 {
                let found = windows.remove(&window).unwrap_or_default();
                let (before, auctions) = std::mem::replace(&mut last, (window, found));
                windows.insert(before, auctions);
            }
            let entry = last.1.entry(bid.auction).or_insert((0, 0));
            *entry = (entry.0 + 1, entry.1.max(bid.price));
        }
    }
    windows.insert(last.0, last.1);
    windows
}

/// Whole lines: what the chunk before left, then the next 1 MiB up to its last line end.
fn next_chunk(cursor: &Mutex<(File, Vec<u8>)>, chunk: &mut Vec<u8>) -> bool {
    let mut cursor = cursor.lock().expect("no thread failed");
    let (file, carry) = &mut *cursor;
    chunk.clear();
    chunk.append(carry);
    let begun = chunk.len();
    let read = file.take(CHUNK as u64).read_to_end(chunk).expect("bids");
    if read == CHUNK {
        let border = memchr::memrchr(b'\n', &chunk[begun..]).expect("a line end") + begun + 1;
        carry.extend_from_slice(&chunk[border..]);
        chunk.truncate(border);
    }
    !chunk.is_empty()
}

/// Written and on disk, as the flow leaves it.
fn write(windows: &Windows, out: &Path) {
    let file = File::create(out).expect("the results can be created");
    let mut out = BufWriter::with_capacity(64 << 10, file);
    for (&window, auctions) in windows {
        for (&auction, &(bids, highest)) in auctions {
            let row = Row {
                auction,
                window,
                bids,
                highest,
            };
            serde_json::to_writer(&mut out, &row).expect("a row");
            out.write_all(b"\n").expect("a row");
        }
    }
    let file = out.into_inner().expect("the last rows");
    file.sync_all().expect("the disk");
}
