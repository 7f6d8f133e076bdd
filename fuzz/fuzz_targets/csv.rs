#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use millstream_connectors::codec::csv;
use millstream_engine::time::Timestamp;
use millstream_fuzz::decode;

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Row {
    a: Option<i32>,
    b: String,
    c: f64,
    d: Option<Timestamp>,
    e: char,
    f: Option<bool>,
}

fuzz_target!(|data: &[u8]| {
    decode(csv::<Row>(), &[b"a,b,c,d,e,f\n", data].concat());
    decode(csv::<BTreeMap<String, String>>(), data);
});
