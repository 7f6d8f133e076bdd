//! What the tests of gates share.

use std::collections::VecDeque;

use millstream_engine::harness::Harness;

use super::*;
use crate::pipe::Identity;
use crate::testing::Given;

/// A gate under test. More wait than in a flow: a script goes on whether there is room or not.
pub(in crate::shape) type UnderTest<G> = Paced<Identity<String>, G>;

pub(in crate::shape) fn under_test<G: Gate>(gate: G, replica: &Replica) -> UnderTest<G> {
    Paced::new(Identity::new(), gate, usize::MAX, replica)
}

pub(in crate::shape) fn harness<G: Gate>(gate: impl Fn() -> G + 'static) -> Harness {
    Harness::new(move |replica| under_test(gate(), replica))
        .with_input(str::to_owned)
        .with_output(String::clone)
        .in_order()
        .telling_waits()
}

/// What came, again, in order: a record when the gate lets it through, which is asked with the moment it came and the
/// present one; a watermark as soon as no record is before it. Nothing is held at the end.
pub(in crate::shape) fn naive(all: &[Given], mut passes: impl FnMut(i64, i64) -> bool) -> String {
    let (mut waiting, mut now, mut out) = (VecDeque::new(), 0, String::new());
    let end = Given::ProcessingTime(i64::MAX);
    for given in all.iter().chain([&end]) {
        match *given {
            Given::ProcessingTime(time) => now = time,
            given => waiting.push_back((now, given)),
        }
        let mut passed = None;
        while let Some((came, given)) = waiting.front() {
            match *given {
                Given::Watermark(time) => passed = Some(time),
                _ if now < i64::MAX && !passes(*came, now) => break,
                Given::Record { key, value, time } => out += &format!("{key}={value}@{time} "),
                Given::ProcessingTime(_) => {}
            }
            waiting.pop_front();
        }
        if let Some(passed) = passed {
            out += &format!("^{passed} ");
        }
    }
    out + "|"
}
