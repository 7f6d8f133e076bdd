use millstream_engine::ErrorKind;
use millstream_engine::harness::Harness;
use millstream_engine::operator::Operator;
use millstream_engine::plan::Replica;
use millstream_engine::state::{StateReader, VertexState};
use proptest::prelude::*;

use super::*;
use crate::shape::paced;
use crate::shape::paced::tests::{UnderTest, naive, under_test};
use crate::testing::{Given, given_with_clocks, script};

const MICROS: i64 = 12;

fn delayed(replica: &Replica) -> UnderTest<Delay> {
    under_test(delay(), replica)
}

fn delay() -> Delay {
    let by = Duration::from_micros(MICROS as u64);
    Delay { by }
}

fn harness() -> Harness {
    paced::tests::harness(delay)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn all_comes_again_when_its_time_has_come(mut all in given_with_clocks(30), in_time: bool) {
        let mut watermark = i64::MIN;
        for given in &mut all {
            match given {
                Given::Record { time, .. } if in_time => *time = watermark.max(*time),
                Given::Watermark(time) => watermark = *time,
                _ => {}
            }
        }
        let expected = naive(&all, |came, now| came + MICROS <= now);
        harness().check(&[&script(&all)], &[&expected]).unwrap();
    }
}

#[test]
fn watermarks_and_records_keep_their_order_in_queue() {
    let input = "^1 a@5 ~3 ^4 b@2 c@9 ^6 ~11 ~12 ^7 ~15 ^8 d@8 |";
    let output = "^1 a@5 ^4 b@2 c@9 ^7 ^8 d@8 |";
    harness().check(&[input], &[output]).unwrap();
}

#[test]
fn state_of_a_replica_without_a_number_is_an_error() {
    let restored = |replica: &Replica, name: &str| {
        let state = VertexState {
            // Nothing waited in it.
            pieces: vec![(name.to_owned(), vec![0])],
            ..VertexState::default()
        };
        delayed(replica).restore(&StateReader::new(&state, 8, 0, 1))
    };
    let harness = Harness::new(move |replica| {
        assert!(restored(replica, "3").is_ok());
        let error = restored(replica, "third").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State);
        assert!(error.to_string().contains("`third`"), "{error}");
        delayed(replica)
    });
    let harness = harness.with_input(str::to_owned).with_output(String::clone);
    harness.check(&["|"], &["|"]).unwrap();
}
