#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_connectors::codec::lines;
use millstream_fuzz::decode;

fuzz_target!(|data: &[u8]| decode(lines(), data));
