//! The laws of [`Framing`], held against models that look at the whole stream at once.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A frame and where it began; or what is wrong with it.
type Found = (usize, Result<Vec<u8>, FrameError>);

/// All frames of `bytes`, which come in the pieces that end at `cuts`.
fn frames<F: Framing>(mut framing: F, bytes: &[u8], cuts: &[usize]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let last = ends.len();
    for (n, end) in (1..).zip(ends) {
        loop {
            let input = &bytes[at.min(end)..end];
            match framing.cut(input, n == last) {
                Cut::More => {
                    assert!(n < last || input.is_empty(), "law 3");
                    break;
                }
                Cut::Frame { start, end, used } => {
                    assert!(used > 0 && start <= end && end <= used, "law 2");
                    found.push((at, Ok(input[start..end].to_vec())));
                    at += used;
                }
                Cut::Bad { used, cause } => {
                    assert!(used > 0 && used <= input.len(), "law 2");
                    found.push((at, Err(cause)));
                    at += used;
                }
                Cut::Skip { used } => {
                    assert!(used > 0 && used <= input.len(), "law 2");
                    at += used;
                }
                Cut::Broken(cause) => {
                    found.push((at, Err(cause)));
                    return found;
                }
            }
        }
    }
    assert_eq!(at, bytes.len());
    found
}

/// The same frames, found by cutting the stream in two at every border `last_border` tells of.
fn frames_by_borders<F: Framing>(framing: &F, bytes: &[u8], chunk: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let mut dealer = framing.clone();
    let (mut start, mut end) = (0, 0);
    let mut skipping = false;
    while start < bytes.len() {
        end = bytes.len().min(end.max(start) + chunk);
        let border = dealer.last_border(&bytes[start..end], end == bytes.len());
        assert!(end < bytes.len() || border > 0, "all is used in the end");
        if border == 0 {
            continue;
        }
        if !skipping {
            let piece = &bytes[start..start + border];
            let part = frames(framing.clone(), piece, &[]);
            found.extend(part.into_iter().map(|(at, frame)| (start + at, frame)));
        }
        skipping = dealer.is_skipping();
        start += border;
    }
    found
}

fn too_long(limit: usize) -> FrameError {
    FrameError::TooLong { limit }
}

fn lines_model(bytes: &[u8], max: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let frame = (text.len() <= max).then(|| text.to_vec());
        found.push((at, frame.ok_or(too_long(max))));
        at += line.len();
    }
    found
}

fn csv_model(bytes: &[u8], max: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (mut quoted, mut field_start, mut n) = (false, true, 0);
        let end = loop {
            let Some(&byte) = rest.get(n) else { break None };
            n += 1;
            match byte {
                b'"' if quoted && rest.get(n) == Some(&b'"') => n += 1,
                b'"' if quoted => quoted = false,
                b'"' if field_start => quoted = true,
                b'\n' if !quoted => break Some(n),
                _ => {}
            }
            field_start = byte == b',' && !quoted;
        };
        let record = &rest[..end.unwrap_or(rest.len())];
        let text = record.strip_suffix(b"\n").filter(|_| end.is_some());
        let text = text.unwrap_or(record);
        let closed = end.is_some() || !quoted;
        let stripped = match closed {
            true => text.strip_suffix(b"\r").unwrap_or(text),
            false => text,
        };
        if closed && stripped.len() <= max {
            found.push((at, Ok(stripped.to_vec())));
            at += record.len();
            continue;
        }
        // Its first line is lost.
        let (_, line) = lines_model(rest, max).swap_remove(0);
        let limit = max;
        found.push((
            at,
            Err(line.err().unwrap_or(FrameError::OpenQuote { limit })),
        ));
        let end = rest.iter().position(|&byte| byte == b'\n');
        at += end.map_or(rest.len(), |at| at + 1);
    }
    found
}

fn length_model(bytes: &[u8], max: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.len() < 2 {
            found.push((at, Err(FrameError::CutShort)));
            break;
        }
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        if length > max {
            let (length, limit) = (length as u64, max);
            found.push((at, Err(FrameError::TooLongAnnounced { length, limit })));
            break;
        }
        let Some(frame) = rest.get(2..2 + length) else {
            found.push((at, Err(FrameError::CutShort)));
            break;
        };
        found.push((at, Ok(frame.to_vec())));
        at += 2 + length;
    }
    found
}

/// Bytes among which those that mean something are frequent.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => Just(b'\n'), 2 => Just(b'\r'), 3 => Just(b'"'), 3 => Just(b','),
        3 => Just(0_u8), 3 => 1_u8..12, 6 => Just(b'x'), 1 => any::<u8>(),
    ];
    vec(byte, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn lines_are_those_of_the_model(bytes in bytes(), cuts in vec(0_usize..100, 0..12), max in 0_usize..12) {
        let lines = Lines::new().with_max(max);
        let model = lines_model(&bytes, max);
        prop_assert_eq!(frames(lines.clone(), &bytes, &[]), model.clone());
        prop_assert_eq!(frames(lines.clone(), &bytes, &cuts), model.clone());
        prop_assert_eq!(frames_by_borders(&lines, &bytes, max + 3), model);
    }

    #[test]
    fn csv_records_are_those_of_the_model(bytes in bytes(), cuts in vec(0_usize..100, 0..12), max in 0_usize..20) {
        let csv = CsvRecords::new().with_max(max);
        let model = csv_model(&bytes, max);
        prop_assert_eq!(frames(csv.clone(), &bytes, &[]), model.clone());
        prop_assert_eq!(frames(csv.clone(), &bytes, &cuts), model.clone());
        prop_assert_eq!(frames_by_borders(&csv, &bytes, max + 3), model);
    }

    #[test]
    fn length_delimited_frames_are_those_of_the_model(bytes in bytes(), cuts in vec(0_usize..100, 0..12), max in 0_usize..20) {
        let framing = LengthDelimited::new().with_width(2).with_max(max);
        let model = length_model(&bytes, max);
        prop_assert_eq!(frames(framing.clone(), &bytes, &[]), model.clone());
        prop_assert_eq!(frames(framing, &bytes, &cuts), model);
    }

    #[test]
    fn a_whole_is_one_frame(bytes in bytes(), cuts in vec(0_usize..100, 0..12), max in 0_usize..90) {
        let model = match bytes.len() {
            0 => vec![],
            n if n > max => vec![(0, Err(too_long(max)))],
            _ => vec![(0, Ok(bytes.clone()))],
        };
        prop_assert_eq!(frames(Whole::new().with_max(max), &bytes, &cuts), model);
    }

    #[test]
    fn what_is_framed_comes_back(
        values in vec(vec(any::<u8>(), 0..20), 0..10),
        width in 1_usize..9,
        little in any::<bool>(),
    ) {
        let mut framing = LengthDelimited::new().with_width(width);
        if little {
            framing = framing.little_endian();
        }
        let mut out = Vec::new();
        for value in &values {
            let start = out.len();
            framing.begin(&mut out);
            out.extend_from_slice(value);
            framing.finish(&mut out, start).unwrap();
        }
        let back: Vec<_> = frames(framing, &out, &[]).into_iter().map(|(_, frame)| frame.unwrap()).collect();
        prop_assert_eq!(back, values);
    }

    #[test]
    fn a_read_buffer_is_a_queue(steps in vec((0_usize..300, 0_usize..300), 0..40)) {
        let mut buffer = ReadBuffer::new();
        let mut model = Vec::new();
        let mut next = 0_u8;
        for (fill, consume) in steps {
            for byte in buffer.room(fill) {
                next = next.wrapping_add(1);
                *byte = next;
                model.push(next);
            }
            buffer.filled(fill);
            let consume = consume.min(model.len());
            buffer.consume(consume);
            model.drain(..consume);
            prop_assert_eq!(buffer.pending(), &model[..]);
        }
    }
}

#[test]
fn a_line_with_a_line_break_in_it_is_refused() {
    let mut out = b"a\nb".to_vec();
    assert!(Lines::new().finish(&mut out, 0).is_err());
    assert!(Lines::new().finish(&mut out, 2).is_ok());
}

#[test]
fn a_frame_must_fit_its_prefix_and_its_bound() {
    let mut out = vec![0; 257];
    assert!(
        LengthDelimited::new()
            .with_width(1)
            .finish(&mut out, 0)
            .is_err()
    );
    assert!(
        LengthDelimited::new()
            .with_max(9)
            .finish(&mut out, 0)
            .is_err()
    );
    out.truncate(256);
    assert!(
        LengthDelimited::new()
            .with_width(1)
            .finish(&mut out, 0)
            .is_ok()
    );
    assert_eq!(out[0], 255);
}
