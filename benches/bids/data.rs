//! Makes the bids.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Event, EventType};

/// The file of the first `number` bids of NEXMark, made if it is not there.
pub(crate) fn bids(folder: &Path, number: u64) -> PathBuf {
    let path = folder.join(format!("bids-{number}.ndjson"));
    if !path.exists() {
        fs::create_dir_all(folder).expect("the folder can be made");
        let part = path.with_extension("part");
        let mut out = BufWriter::new(File::create(&part).expect("the file can be made"));
        // Its default is now, and no two files would be alike.
        let config = NexmarkConfig {
            base_time: 1_600_000_000_000,
            ..NexmarkConfig::default()
        };
        let events = EventGenerator::new(config).with_type_filter(EventType::Bid);
        for event in events.take(number as usize) {
            if let Event::Bid(bid) = event {
                serde_json::to_writer(&mut out, &bid).expect("a bid can be written");
                out.write_all(b"\n").expect("a bid can be written");
            }
        }
        out.flush().expect("the last bids can be written");
        fs::rename(part, &path).expect("the file can be renamed");
    }
    path
}
