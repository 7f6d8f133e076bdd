//! What the tests of joins share.

use std::fmt::Display;

use millstream_engine::batch::{AnyBatch, Batch, Record};
use millstream_engine::harness::saved;
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{Outbox, PortMaker};
use millstream_engine::runtime::Instant;
use millstream_engine::state::StateReader;
use millstream_engine::time::{Timestamp, Watermark};

use super::late::LATE;
use crate::testing::{Given, at};

/// The records of what was given: key, value, time.
pub(super) fn records(given: &[Given]) -> Vec<(char, i64, i64)> {
    let record = |given: &Given| match *given {
        Given::Record { key, value, time } => Some((key, value, time)),
        Given::Watermark(_) => None,
    };
    given.iter().filter_map(record).collect()
}

/// A value, or `-` for none.
pub(super) fn or_dash<T: Display>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

/// The result of a pair that shows both.
pub(super) fn shown(_key: &String, left: Option<&i64>, right: Option<&i64>) -> String {
    format!("{},{}", or_dash(left), or_dash(right))
}

/// A batch of keyed records: key, value, time.
pub(super) fn batch(records: impl IntoIterator<Item = (u32, u32, i64)>) -> AnyBatch {
    let mut batch = Batch::new(Instant::from_nanos(0));
    let records = records.into_iter().map(|(key, value, time)| Record {
        time: at(time),
        value: Keyed::new(key, value),
    });
    batch.records.extend(records);
    AnyBatch::new(batch)
}

pub(super) fn watermark(time: i64) -> Watermark {
    Watermark {
        time: at(time),
        arrival: Instant::from_nanos(0),
    }
}

/// An outbox with one port of `U`s.
pub(super) fn outbox<U: Send + 'static>() -> Outbox {
    Outbox::new(vec![PortMaker::moving::<U>().make_single()])
}

/// An outbox with a port of `U`s, and one of late records.
pub(super) fn outbox_with_late<U: Send + 'static, T: Send + 'static>() -> Outbox {
    Outbox::new(vec![
        PortMaker::moving::<U>().make_single(),
        PortMaker::moving::<T>().make_single(),
    ])
}

/// The results that are in the outbox, and how many batches that is.
pub(super) fn collect<U: Clone + Send + 'static>(out: &mut Outbox) -> (Vec<U>, usize) {
    let (records, batches) = records_of::<U>(out, 0);
    (
        records.into_iter().map(|(value, _)| value).collect(),
        batches,
    )
}

/// The late records that are in the outbox, with their times.
pub(super) fn collect_late<T: Clone + Send + 'static>(out: &mut Outbox) -> Vec<(T, Timestamp)> {
    records_of::<T>(out, LATE).0
}

fn records_of<T: Clone + Send + 'static>(
    out: &mut Outbox,
    port: usize,
) -> (Vec<(T, Timestamp)>, usize) {
    let (mut sealed, mut records) = (Vec::new(), Vec::new());
    let port = &mut out.ports_mut()[port];
    port.seal_all();
    port.take_sealed(&mut sealed);
    let batches = sealed.len();
    for mut sealed in sealed {
        let batch = &sealed.batch.of::<T>().unwrap().records;
        records.extend(
            batch
                .iter()
                .map(|record| (record.value.clone(), record.time)),
        );
    }
    (records, batches)
}

/// What the operator says at a watermark, a few at a time; between two steps it is saved and made anew.
pub(super) fn in_steps<U, O>(
    mut operator: O,
    out: &mut Outbox,
    time: i64,
    make: impl Fn() -> O,
) -> (Vec<U>, usize, O)
where
    U: Clone + Send + 'static,
    O: Operator,
{
    let (mut all, mut steps) = (Vec::new(), 0);
    loop {
        let step = operator.on_watermark(watermark(time), out).unwrap();
        let (values, batches) = collect::<U>(out);
        assert!(batches <= 17, "it went on when its outbox was full");
        all.extend(values);
        steps += 1;
        if step == Step::Done {
            return (all, steps, operator);
        }
        let mut state = saved(128, |state| operator.snapshot(state)).unwrap();
        state.frontier = Some(at(time));
        operator = make();
        operator
            .restore(&StateReader::new(&state, 128, 0, 1))
            .unwrap();
    }
}
