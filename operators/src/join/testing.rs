//! What the tests of joins share.

use std::fmt::Display;

use millstream_engine::batch::AnyBatch;
use millstream_engine::outbox::{Outbox, PortMaker};
use millstream_engine::time::Timestamp;

use super::late::LATE;
use crate::testing::{self, Given, records_of};

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

/// A batch of numbers by numbers: key, value, time.
pub(super) fn batch(records: impl IntoIterator<Item = (u32, u32, i64)>) -> AnyBatch {
    testing::batch(records)
}

/// An outbox with a port of `U`s, and one of late records.
pub(super) fn outbox_with_late<U: Send + 'static, T: Send + 'static>() -> Outbox {
    Outbox::new(vec![
        PortMaker::moving::<U>().make_single(),
        PortMaker::moving::<T>().make_single(),
    ])
}

/// The late records that are in the outbox, with their times.
pub(super) fn collect_late<T: Send + 'static>(out: &mut Outbox) -> Vec<(T, Timestamp)> {
    let (records, _) = records_of::<T>(out, LATE);
    let late = records.into_iter();
    late.map(|record| (record.value, record.time)).collect()
}
