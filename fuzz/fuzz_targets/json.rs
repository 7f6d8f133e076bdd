#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_connectors::codec::json_lines;
use millstream_fuzz::decode;

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Bid {
    auction: u64,
    price: Option<f64>,
    channel: String,
    rest: Vec<serde_json::Value>,
}

fuzz_target!(|data: &[u8]| {
    decode(json_lines::<Bid>(), data);
    decode(json_lines::<serde_json::Value>(), data);
});
