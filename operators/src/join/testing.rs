//! What the tests of joins share.

use std::fmt::Display;

use millstream_engine::batch::AnyBatch;

use crate::testing::{self, Given};
pub(super) use crate::testing::{collect_late, outbox_with_late};

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
