//! What the operator tells of what waits: asked between any two calls, and held to it.

use super::run::{Play, UnderTest};
use crate::error::{Error, Result};
use crate::runtime;
use crate::time::Timestamp;
use crate::why::{Explanation, Until};

/// By which clock something waits.
pub(super) type OfClock = fn(&Until) -> Option<Timestamp>;

impl UnderTest {
    /// What it tells that something waits for.
    fn waits(&self) -> impl Iterator<Item = Until> {
        let mut why = Explanation::new(runtime::now());
        self.operator.explain(&mut why);
        why.waits.into_iter().map(|wait| wait.until)
    }

    /// Whether it tells that something waits for an answer.
    pub(super) fn waits_for_an_answer(&self) -> bool {
        self.waits().any(|until| until == Until::Answer)
    }
}

impl Play<'_> {
    fn waits(&self) -> impl Iterator<Item = Until> {
        self.replicas.iter().flat_map(UnderTest::waits)
    }

    /// The first time of a clock that something is told to wait for.
    pub(super) fn first_wait(&self, of_clock: OfClock) -> Option<Timestamp> {
        self.waits().filter_map(|until| of_clock(&until)).min()
    }

    /// Whether something is told to wait for the end of an input, or for the watermark, of which the input may be the
    /// last to have one.
    pub(super) fn waits_for_end_of(&self, input: usize) -> bool {
        self.waits()
            .any(|until| is_end_of(&until, input) || until.watermark().is_some())
    }

    /// A clock has come to `now`, and the operator has done what there was to do then. Before it had told that
    /// something waits for `told`, and there were so many records of output.
    pub(super) fn hold_to_what_it_told(
        &self,
        of_clock: OfClock,
        now: Timestamp,
        (told, records): (Option<Timestamp>, usize),
    ) -> Result<()> {
        if let Some(first) = self.first_wait(of_clock).filter(|first| *first <= now) {
            return Err(wrong(&format!(
                "it tells that something waits for {first}, though it is {now}"
            )));
        }
        let told = told.is_some_and(|told| told <= now);
        self.has_told(told, records, &format!("at {now}"))
    }

    /// An input has ended, and the operator has done what there was to do then.
    pub(super) fn hold_to_the_end(
        &self,
        input: usize,
        (told, records): (bool, usize),
    ) -> Result<()> {
        if self.waits().any(|until| is_end_of(&until, input)) {
            return Err(wrong(&format!(
                "it tells that something waits for the end of input {input}, which has come"
            )));
        }
        self.has_told(told, records, &format!("at the end of input {input}"))
    }

    /// A replica was polled; before it had told that something waits for an answer, or had not.
    pub(super) fn hold_to_answers(
        &self,
        index: usize,
        is_ready: bool,
        (told, records): (bool, usize),
    ) -> Result<()> {
        if is_ready && self.replicas[index].waits_for_an_answer() {
            return Err(wrong(
                "it tells that something waits for an answer, though nothing is in flight",
            ));
        }
        self.has_told(told, records, "with an answer")
    }

    /// Complains if it speaks, and that something waits was not told.
    fn has_told(&self, told: bool, records: usize, when: &str) -> Result<()> {
        match self.harness.tells_waits && self.records() > records && !told {
            true => Err(wrong(&format!(
                "it speaks {when}, and did not tell that something waits for that"
            ))),
            false => Ok(()),
        }
    }
}

fn is_end_of(until: &Until, of: usize) -> bool {
    matches!(until, Until::InputEnd { input, .. } if *input == of)
}

fn wrong(what: &str) -> Error {
    Error::internal(format!("{what} (contract, sentence 15)"))
}
