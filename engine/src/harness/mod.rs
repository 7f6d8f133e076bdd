//! One harness for all operators: what the engine may do to an operator is done to it, and its output must stay
//! the same.
//!
//! It plays a [`Script`] into the operator's inputs: as one batch of all, as batches of one (the task would sleep, and
//! flushes, behind each), cut at random; with a snapshot after any call, restored with another parallelism; and with every order in which data and watermarks of
//! two inputs can come. It also holds the operator to its side of the [contract](Operator): it takes every record out
//! of its batch (sentence 9), it repeats itself to the letter (11), it stops when its outbox is full (12), and it
//! sends nothing that is earlier than the watermark it promised.
//!
//! ```
//! use millstream_engine::batch::AnyBatch;
//! use millstream_engine::harness::Harness;
//! use millstream_engine::operator::Operator;
//! use millstream_engine::outbox::Outbox;
//!
//! struct Double;
//!
//! impl Operator for Double {
//!     fn on_batch(
//!         &mut self,
//!         _input: usize,
//!         batch: &mut AnyBatch,
//!         out: &mut Outbox,
//!     ) -> millstream_engine::Result<()> {
//!         let port = out.port::<i64>(0)?;
//!         for record in batch.of::<i64>()?.records.drain(..) {
//!             port.push(2 * record.value, record.time);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let harness = Harness::new(|_| Double)
//!     .with_input(|text| text.parse::<i64>().unwrap())
//!     .with_output(|number: &i64| number.to_string());
//! harness.check(&["1@1 2@2 ^2 3@3 |"], &["2@1 4@2 ^2 6@3 |"]).unwrap();
//! ```
//!
//! Idea: Hazelcast Jet's `TestSupport`; streams as text from RisingWave.

mod between;
mod explained;
mod modes;
mod run;
mod script;
mod typed;

pub use script::{Item, Script};

use std::fmt;
use std::hash::Hash;

use crate::error::Result;
use crate::key::KeyHash;
use crate::key::Keyed;
use crate::operator::Operator;
use crate::plan::Replica;
use crate::state::{StateKind, StateWriter, VertexState};
use modes::Mode;
use typed::{Input, Output};

/// An operator under test, with what tells its records from text. See the [module](self).
pub struct Harness {
    make: Box<dyn Fn(&Replica) -> Box<dyn Operator>>,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    ordered: bool,
    tells_waits: bool,
}

/// What came of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What left by each output.
    pub outputs: Vec<Script>,
    /// Records counted as late.
    pub late: u64,
    /// Records counted as having no event time.
    pub untimed: u64,
    /// Records counted as too far ahead of the wall clock.
    pub ahead: u64,
}

impl Harness {
    /// For the operator that `make` makes.
    pub fn new<O: Operator + 'static>(make: impl Fn(&Replica) -> O + 'static) -> Self {
        Harness {
            make: Box::new(move |replica| Box::new(make(replica))),
            inputs: Vec::new(),
            outputs: Vec::new(),
            ordered: false,
            tells_waits: false,
        }
    }

    /// Its next input, of `T`s; `read` makes one of a record's text.
    #[must_use]
    pub fn with_input<T: Send + 'static>(mut self, read: impl Fn(&str) -> T + 'static) -> Self {
        self.inputs.push(Input::new(read, None));
        self
    }

    /// Its next input, of [`Keyed`] records. With such inputs only, it is run with several replicas as well.
    #[must_use]
    pub fn with_keyed_input<K, T>(mut self, read: impl Fn(&str) -> (K, T) + 'static) -> Self
    where
        K: Hash + Send + 'static,
        T: Send + 'static,
    {
        let read = move |text: &str| {
            let (key, value) = read(text);
            Keyed::new(key, value)
        };
        let hash: fn(&Keyed<K, T>) -> KeyHash = |keyed| keyed.hash;
        self.inputs.push(Input::new(read, Some(hash)));
        self
    }

    /// Its next output, of `U`s; `show` makes text of one (without spaces).
    #[must_use]
    pub fn with_output<U: Send + 'static>(mut self, show: impl Fn(&U) -> String + 'static) -> Self {
        self.outputs.push(Output::new(show));
        self
    }

    /// It promises the order of its output. (Otherwise only what lies between two watermarks counts.)
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// It [explains](Operator::explain) beforehand all that speaks when the watermark, or processing time, has come
    /// to something. (That it tells of nothing which should have spoken already holds for all.)
    #[must_use]
    pub fn telling_waits(mut self) -> Self {
        self.tells_waits = true;
        self
    }

    /// Checks that `inputs`, one text for each input, become `outputs`, in every mode.
    ///
    /// Where a text of `outputs` has watermarks, their places count too: with batches of one.
    /// With several inputs no record may be late: whether it is would depend on the order they come in.
    ///
    /// # Errors
    /// What differs, in which mode.
    pub fn check(&self, inputs: &[&str], outputs: &[&str]) -> Result<(), Mismatch> {
        let outcome = self.outcome(inputs)?;
        for (index, (text, got)) in outputs.iter().zip(&outcome.outputs).enumerate() {
            let expected: Script = text.parse().map_err(Mismatch::in_text)?;
            let (expected, got) = match expected.has_watermarks() {
                true => (expected, got.clone()),
                false => (expected, got.without_watermarks()),
            };
            if self.comparable(&expected) != self.comparable(&got) {
                let what = format!("output {index}: expected `{expected}`, got `{got}`");
                return Err(Mismatch::new(&Mode::plain(), what));
            }
        }
        match outputs.len() == outcome.outputs.len() {
            true => Ok(()),
            false => Err(Mismatch::new(
                &Mode::plain(),
                "the number of outputs differs".to_owned(),
            )),
        }
    }

    /// What comes of `inputs`, the same in every mode; shown as with batches of one.
    ///
    /// # Errors
    /// What differs between modes, or what sentence of the contract is broken.
    pub fn outcome(&self, inputs: &[&str]) -> Result<Outcome, Mismatch> {
        let scripts: Vec<Script> = inputs
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_>>()
            .map_err(Mismatch::in_text)?;
        let plain = Mode::plain();
        let first = self.play(&scripts, &plain)?;
        if self.play(&scripts, &plain)? != first {
            let what = "it does not repeat itself (contract, sentence 11)".to_owned();
            return Err(Mismatch::new(&plain, what));
        }
        for mode in modes::all(&scripts, self.inputs.iter().all(Input::is_keyed)) {
            let other = self.play(&scripts, &mode)?;
            self.compare(&first, &other)
                .map_err(|what| Mismatch::new(&mode, what))?;
        }
        Ok(first)
    }

    fn compare(&self, expected: &Outcome, got: &Outcome) -> Result<(), String> {
        for (index, (a, b)) in expected.outputs.iter().zip(&got.outputs).enumerate() {
            let (a, b) = (a.without_watermarks(), b.without_watermarks());
            if self.comparable(&a) != self.comparable(&b) {
                return Err(format!(
                    "output {index}: with batches of one `{a}`, here `{b}`"
                ));
            }
        }
        let counted = |outcome: &Outcome| (outcome.late, outcome.untimed, outcome.ahead);
        if counted(expected) != counted(got) {
            return Err(format!(
                "late, without time, too far ahead: {:?} with batches of one, here {:?}",
                counted(expected),
                counted(got)
            ));
        }
        Ok(())
    }

    fn comparable(&self, script: &Script) -> Script {
        if self.ordered {
            script.clone()
        } else {
            script.sorted()
        }
    }
}

/// What went wrong in a [`Harness`], and in which mode.
#[derive(PartialEq, Eq, thiserror::Error)]
#[error("{mode}: {what}")]
pub struct Mismatch {
    mode: String,
    what: String,
}

impl Mismatch {
    fn new(mode: &Mode, what: String) -> Self {
        Mismatch {
            mode: mode.to_string(),
            what,
        }
    }

    fn in_text(error: crate::Error) -> Self {
        Mismatch {
            mode: "the script".to_owned(),
            what: error.to_string(),
        }
    }
}

/// As it is displayed: it is read where a test unwraps it.
impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The saved form of what `save` writes, for a test of a part of an operator.
pub fn saved(
    shards: u32,
    save: impl FnOnce(&mut StateWriter) -> Result<()>,
) -> Result<VertexState> {
    let mut writer = StateWriter::new(shards);
    save(&mut writer)?;
    let (shards, pieces) = writer.finish();
    let (kind, positions) = (StateKind::default(), Vec::new());
    Ok(VertexState {
        kind,
        shards,
        pieces,
        positions,
        frontier: None,
    })
}

#[cfg(test)]
mod tests;
