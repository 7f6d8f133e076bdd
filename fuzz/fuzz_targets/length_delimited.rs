#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_connectors::framing::LengthDelimited;
use millstream_fuzz::frame;

// The second byte chooses the form of the length.
fuzz_target!(|data: &[u8]| {
    let Some(form) = data.get(1).copied() else {
        return;
    };
    let framing = LengthDelimited::new()
        .with_max(40)
        .with_width(usize::from(form >> 1) % 9);
    frame(
        if form & 1 == 0 {
            framing
        } else {
            framing.little_endian()
        },
        data,
    );
});
