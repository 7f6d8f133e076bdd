#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_connectors::framing::Whole;
use millstream_fuzz::frame;

fuzz_target!(|data: &[u8]| frame(Whole::new().with_max(40), data));
