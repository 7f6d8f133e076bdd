//! What the operator tells of what waits: asked between any two calls, and held to it.

use super::run::{Play, UnderTest};
use crate::error::{Error, Result};
use crate::runtime;
use crate::time::Timestamp;
use crate::why::{Explanation, Until};

/// By which clock something waits.
pub(super) type OfClock = fn(&Until) -> Option<Timestamp>;

impl Play<'_> {
    /// The first time of a clock that something is told to wait for.
    pub(super) fn first_wait(&self, of_clock: OfClock) -> Option<Timestamp> {
        let all = self.replicas.iter().flat_map(|UnderTest { operator, .. }| {
            let mut why = Explanation::new(runtime::now());
            operator.explain(&mut why);
            why.waits
        });
        all.filter_map(|wait| of_clock(&wait.until)).min()
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
            return Err(Error::internal(format!(
                "it tells that something waits for {first}, though it is {now} (contract, sentence 15)"
            )));
        }
        let has_spoken = self.records() > records;
        if self.harness.tells_waits && has_spoken && told.is_none_or(|told| told > now) {
            return Err(Error::internal(format!(
                "it speaks at {now}, and did not tell that something waits for that (contract, sentence 15)"
            )));
        }
        Ok(())
    }
}
