//! What the tests of joins share.

use std::fmt::Display;

use millstream_engine::batch::AnyBatch;
use millstream_engine::harness::Item;
use millstream_engine::key::Keyed;

use crate::stream::Either;
use crate::testing::{self, entry};
pub(super) use crate::testing::{collect_late, outbox_with_late};

/// A record that came, in an order of the harness.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) input: usize,
    pub(super) key: char,
    pub(super) value: i64,
    pub(super) time: i64,
    /// The watermark before it.
    pub(super) watermark: i64,
}

impl Came {
    /// As the output of late records shows it.
    pub(super) fn late(&self) -> String {
        let Came {
            input,
            key,
            value,
            time,
            ..
        } = self;
        format!("{key}={input}:{value}@{time} ")
    }

    /// As an output shows what was made of it: `value@time` under its key.
    pub(super) fn shows(&self, value: impl Display, time: i64) -> String {
        format!("{}={value}@{time} ", self.key)
    }
}

/// The records of what came.
pub(super) fn came(told: &[(usize, Item)]) -> Vec<Came> {
    let mut watermark = i64::MIN;
    let record = |(input, item): &(usize, Item)| match item {
        Item::Record(text, time) => {
            let ((key, value), time) = (entry(text), time.as_micros());
            let (input, key) = (*input, key.chars().next().unwrap());
            Some(Came {
                input,
                key,
                value,
                time,
                watermark,
            })
        }
        Item::Watermark(time) => {
            watermark = time.as_micros();
            None
        }
        Item::ProcessingTime(_) | Item::End => None,
    };
    told.iter().filter_map(record).collect()
}

/// Shows a late record of either input.
pub(super) fn show_late(late: &Keyed<String, Either<i64, i64>>) -> String {
    let (input, value) = match late.value {
        Either::Left(value) => (0, value),
        Either::Right(value) => (1, value),
    };
    format!("{}={input}:{value}", late.key)
}

/// What a model gives: its results, its late records, and their number.
pub(super) fn given_and_late(results: String, late: &[Came]) -> (Vec<String>, u64) {
    let shown: String = late.iter().map(Came::late).collect();
    (vec![results + "|", shown + "|"], late.len() as u64)
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
