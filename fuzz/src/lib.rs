//! What the fuzz targets share. Run one with `cargo +nightly fuzz run lines`, from the project's root.

use millstream_connectors::codec::{Decoder, Format, FrameDecoder};
use millstream_connectors::framing::{Cut, Framing};
use millstream_engine::source::Intake;

/// Frames `data` whole and in pieces as its first byte says: both must find the same, and every cut
/// must get on.
pub fn frame<F: Framing>(framing: F, data: &[u8]) {
    let Some((&step, data)) = data.split_first() else {
        return;
    };
    let whole = frames(framing.clone(), data, data.len().max(1));
    let pieces = frames(framing, data, usize::from(step).max(1));
    assert_eq!(whole, pieces, "the frames depend on how the bytes came in");
}

fn frames<F: Framing>(mut framing: F, data: &[u8], step: usize) -> Vec<(usize, Option<&[u8]>)> {
    let mut found = Vec::new();
    let (mut at, mut end) = (0, 0);
    loop {
        end = data.len().min(end + step);
        loop {
            let input = &data[at..end];
            let used = match framing.cut(input, end == data.len()) {
                Cut::More => break,
                Cut::Frame { start, end, used } => {
                    found.push((at, Some(&input[start..end])));
                    used
                }
                Cut::Bad { used, .. } => {
                    found.push((at, None));
                    used
                }
                Cut::Skip { used } => used,
                Cut::Broken(_) => return found,
            };
            assert!(used > 0 && used <= input.len());
            at += used;
        }
        if end == data.len() {
            assert_eq!(at, end, "something is left at the end");
            return found;
        }
    }
}

/// Decodes `data` as one stream; what comes of it is either records or bad records, and never a panic.
pub fn decode<F: Framing, D: Decoder>(format: Format<F, D>, data: &[u8]) {
    let mut decoder = FrameDecoder::new(format);
    let mut at = 0;
    while at < data.len() {
        let mut intake = Intake::new();
        match decoder.take(&data[at..], true, "fuzz", &mut intake) {
            Ok(used) => {
                assert!(used > 0);
                at += used;
            }
            Err(_) => return,
        }
    }
}
