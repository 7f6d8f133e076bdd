use proptest::prelude::*;

use super::*;

fn of_all<A: Aggregate<i64>>(aggregate: &A, values: &[i64]) -> Option<A::State> {
    let (first, rest) = values.split_first()?;
    let mut state = aggregate.init(first);
    for value in rest {
        aggregate.add(&mut state, value);
    }
    Some(state)
}

proptest! {
    #[test]
    fn they_compute_what_iterators_do_however_the_records_are_parted(
        values in proptest::collection::vec(-1_000..1_000i64, 1..40), cut in 0..40usize,
    ) {
        let aggregate = (
            count(),
            sum(|n: &i64| *n),
            min(|n: &i64| *n),
            max(|n: &i64| *n as f64),
            mean(|n: &i64| *n as i32),
        );
        let (left, right) = values.split_at(cut.min(values.len()));
        let state = match (of_all(&aggregate, left), of_all(&aggregate, right)) {
            (Some(mut left), Some(right)) => {
                aggregate.merge(&mut left, right);
                left
            }
            (left, right) => left.or(right).unwrap(),
        };
        let total: i64 = values.iter().sum();
        prop_assert_eq!(
            aggregate.finish(state),
            (
                values.len() as u64,
                total,
                *values.iter().min().unwrap(),
                *values.iter().max().unwrap() as f64,
                total as f64 / values.len() as f64,
            )
        );
    }
}

#[test]
fn nan_counts_only_if_there_is_nothing_else() {
    let (lowest, highest) = (min(|n: &f64| *n), max(|n: &f64| *n));
    for values in [
        [f64::NAN, 1.0, 2.0],
        [1.0, f64::NAN, 2.0],
        [2.0, 1.0, f64::NAN],
    ] {
        let mut state = (lowest, highest).init(&values[0]);
        for value in &values[1..] {
            (lowest, highest).add(&mut state, value);
        }
        assert_eq!(state, (1.0, 2.0));
    }
    assert!(lowest.init(&f64::NAN).is_nan());
}

#[test]
fn integer_sums_saturate() {
    let aggregate = sum(|n: &u8| *n);
    let mut state = aggregate.init(&200);
    aggregate.add(&mut state, &200);
    assert_eq!(state, u8::MAX);
}
