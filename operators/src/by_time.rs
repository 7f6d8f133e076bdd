//! Records that are kept by their times.

use std::collections::VecDeque;

use millstream_engine::time::Timestamp;

/// Puts a record where it belongs by its time: of equal times, behind those that came before. Says which place that is.
///
/// Most records come in order, and belong at the end: that is looked at first.
#[inline]
pub(crate) fn insert_by_time<R>(
    records: &mut VecDeque<R>,
    record: R,
    time_of: impl Fn(&R) -> Timestamp,
) -> usize {
    let time = time_of(&record);
    let place = match records.back() {
        Some(last) if time_of(last) > time => {
            records.partition_point(|other| time_of(other) <= time)
        }
        _ => records.len(),
    };
    records.insert(place, record);
    place
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::at;

    proptest! {
        #[test]
        fn it_is_a_stable_sort(times in proptest::collection::vec(-9..9i64, 0..40)) {
            let mut records = VecDeque::new();
            for (number, time) in times.iter().enumerate() {
                let place = insert_by_time(&mut records, (*time, number), |(time, _)| at(*time));
                prop_assert_eq!(records[place], (*time, number));
            }
            let mut expected: Vec<_> = times.into_iter().enumerate().map(|(n, time)| (time, n)).collect();
            expected.sort_by_key(|(time, _)| *time);
            prop_assert_eq!(records, expected);
        }
    }
}
