#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_connectors::framing::CsvRecords;
use millstream_fuzz::frame;

fuzz_target!(|data: &[u8]| frame(CsvRecords::new().with_max(40), data));
