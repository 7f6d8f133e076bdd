use std::collections::VecDeque;

use millstream_engine::ErrorKind;
use millstream_engine::harness::Harness;
use millstream_engine::operator::Operator;
use millstream_engine::plan::Replica;
use millstream_engine::state::{StateReader, VertexState};
use proptest::prelude::*;

use super::*;
use crate::pipe::Identity;
use crate::process::tests::{Given, given, script};
use crate::shape::paced::Paced;

const MICROS: i64 = 12;

type UnderTest = Paced<Identity<String>, Delay>;

fn delayed(replica: &Replica, most: usize) -> UnderTest {
    let by = Duration::from_micros(MICROS as u64);
    Paced::new(Identity::new(), Delay { by }, most, replica)
}

/// What came, again, when its time has come: records so much later, watermarks as soon as no record is before them.
fn naive(all: &[Given]) -> String {
    let (mut waiting, mut now, mut out) = (VecDeque::new(), 0, String::new());
    let mut leave = |waiting: &mut VecDeque<(i64, Given)>, now: i64| {
        let mut passed = None;
        while let Some((due, given)) = waiting.front() {
            match *given {
                Given::Watermark(time) => passed = Some(time),
                _ if *due > now => break,
                Given::Record { key, op, time } => out += &format!("{key}={op}@{time} "),
                Given::ProcessingTime(_) => {}
            }
            waiting.pop_front();
        }
        if let Some(passed) = passed {
            out += &format!("^{passed} ");
        }
    };
    for given in all {
        match *given {
            Given::ProcessingTime(time) => now = now.max(time),
            given => waiting.push_back((now + MICROS, given)),
        }
        leave(&mut waiting, now);
    }
    leave(&mut waiting, i64::MAX);
    out + "|"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn all_comes_again_when_its_time_has_come(mut all in given(30), in_time: bool) {
        let mut watermark = i64::MIN;
        for given in &mut all {
            match given {
                Given::Record { time, .. } if in_time => *time = watermark.max(*time),
                Given::Watermark(time) => watermark = *time,
                _ => {}
            }
        }
        let harness = Harness::new(|replica| delayed(replica, usize::MAX))
            .with_input(str::to_owned)
            .with_output(String::clone)
            .in_order()
            .telling_waits();
        harness.check(&[&script(&all)], &[&naive(&all)]).unwrap();
    }
}

#[test]
fn watermarks_and_records_keep_their_order_in_queue() {
    let harness = Harness::new(|replica| delayed(replica, usize::MAX))
        .with_input(str::to_owned)
        .with_output(String::clone)
        .in_order()
        .telling_waits();
    let input = "^1 a@5 ~3 ^4 b@2 c@9 ^6 ~11 ~12 ^7 ~15 ^8 d@8 |";
    let output = "^1 a@5 ^4 b@2 c@9 ^7 ^8 d@8 |";
    harness.check(&[input], &[output]).unwrap();
}

#[test]
fn state_of_a_replica_without_a_number_is_an_error() {
    let restored = |replica: &Replica, name: &str| {
        let state = VertexState {
            // Nothing waited in it.
            pieces: vec![(name.to_owned(), vec![0])],
            ..VertexState::default()
        };
        delayed(replica, 1).restore(&StateReader::new(&state, 8, 0, 1))
    };
    let harness = Harness::new(move |replica| {
        assert!(restored(replica, "3").is_ok());
        let error = restored(replica, "third").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State);
        assert!(error.to_string().contains("`third`"), "{error}");
        delayed(replica, 1)
    });
    let harness = harness.with_input(str::to_owned).with_output(String::clone);
    harness.check(&["|"], &["|"]).unwrap();
}
