//! One harness for all operators: what the engine may do to an operator is done to it, and its output must stay
//! the same.
//!
//! It plays a [`Script`] into the operator's inputs: as one batch of all, as batches of one (the task would sleep, and
//! flushes, behind each), cut at random; with a snapshot after any call, restored with another parallelism; and with
//! every order in which data and watermarks of two inputs can come (a [model](Harness::check_against) that is told the
//! order says what is late then). It also holds the operator to its side of the [contract](Operator): it takes every
//! record out of its batch (sentence 9), it repeats itself to the letter (11), it stops when its outbox is full (12),
//! and it sends nothing that is earlier than the watermark it promised.
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
use run::Played;
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
    /// to something, when an input ends, or when it is polled. (That it tells of nothing which should have spoken
    /// already holds for all.)
    #[must_use]
    pub fn telling_waits(mut self) -> Self {
        self.tells_waits = true;
        self
    }

    /// Checks that `inputs`, one text for each input, become `outputs`, in every mode.
    ///
    /// Where a text of `outputs` has watermarks, their places count too: with batches of one.
    /// With several inputs no record may be late: whether it is depends on the order they come in, which
    /// [`check_against`](Self::check_against) asks for.
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
        self.has_outputs(outputs.len())
            .map_err(|what| Mismatch::new(&Mode::plain(), what))
    }

    /// Checks that `inputs`, one text for each input, become what `model` makes of them, in every mode: a text for each
    /// output, without watermarks, and how many records are counted as late.
    ///
    /// The model is told what came in the order of that mode, each item with the number of its input. Watermarks are
    /// those of all inputs together, as the operator is told them: what is earlier than the last one before it is late.
    ///
    /// ```
    /// # use millstream_engine::batch::AnyBatch;
    /// # use millstream_engine::harness::{Harness, Item};
    /// # use millstream_engine::operator::{Operator, Step};
    /// # use millstream_engine::outbox::Outbox;
    /// # use millstream_engine::state::{StateReader, StateWriter};
    /// # use millstream_engine::time::{Timestamp, Watermark};
    /// /// Leaves out, and counts, what is late.
    /// struct InTime(Timestamp);
    /// # impl Operator for InTime {
    /// #     fn on_batch(&mut self, _: usize, batch: &mut AnyBatch, out: &mut Outbox) -> millstream_engine::Result<()> {
    /// #         for record in batch.of::<String>()?.records.drain(..) {
    /// #             match record.time < self.0 {
    /// #                 true => out.count_late(1),
    /// #                 false => out.port(0)?.push(record.value, record.time),
    /// #             }
    /// #         }
    /// #         Ok(())
    /// #     }
    /// #     fn on_watermark(&mut self, watermark: Watermark, _: &mut Outbox) -> millstream_engine::Result<Step> {
    /// #         self.0 = watermark.time;
    /// #         Ok(Step::Done)
    /// #     }
    /// #     fn snapshot(&mut self, state: &mut StateWriter) -> millstream_engine::Result<()> {
    /// #         state.put_piece("watermark", &self.0)
    /// #     }
    /// #     fn restore(&mut self, state: &StateReader) -> millstream_engine::Result<()> {
    /// #         self.0 = state.least_piece()?.unwrap_or(Timestamp::MIN);
    /// #         Ok(())
    /// #     }
    /// # }
    ///
    /// let harness = Harness::new(|_| InTime(Timestamp::MIN))
    ///     .with_input(str::to_owned)
    ///     .with_input(str::to_owned)
    ///     .with_output(String::clone);
    /// let model = |came: &[(usize, Item)]| {
    ///     let (mut watermark, mut text, mut late) = (Timestamp::MIN, String::new(), 0);
    ///     for (_input, item) in came {
    ///         match item {
    ///             Item::Record(_, time) if *time < watermark => late += 1,
    ///             Item::Record(value, time) => text += &format!("{value}@{} ", time.as_micros()),
    ///             Item::Watermark(time) => watermark = *time,
    ///             _ => {}
    ///         }
    ///     }
    ///     (vec![text + "|"], late)
    /// };
    /// // Whether `c` is late: that depends on where the end of the second input comes.
    /// harness.check_against(&["a@5 ^9 c@7 |", "b@5 ^6 |"], model).unwrap();
    /// ```
    ///
    /// # Errors
    /// What differs, in which mode.
    pub fn check_against(
        &self,
        inputs: &[&str],
        model: impl Fn(&[(usize, Item)]) -> (Vec<String>, u64),
    ) -> Result<(), Mismatch> {
        let _ = self.play_all(inputs, |mode, Played { outcome, told }, _| {
            let (texts, late) = model(told);
            let outputs = texts.iter().map(|text| text.parse());
            let expected = Outcome {
                outputs: outputs.collect::<Result<_>>().map_err(Mismatch::in_text)?,
                late,
                untimed: 0,
                ahead: 0,
            };
            self.has_outputs(texts.len())
                .and_then(|()| self.compare(&expected, outcome, "by the model"))
                .map_err(|what| Mismatch::new(mode, what))
        })?;
        Ok(())
    }

    /// What comes of `inputs`, the same in every mode; shown as with batches of one.
    ///
    /// # Errors
    /// What differs between modes, or what sentence of the contract is broken.
    pub fn outcome(&self, inputs: &[&str]) -> Result<Outcome, Mismatch> {
        self.play_all(inputs, |mode, Played { outcome, .. }, first| {
            self.compare(&first.outcome, outcome, "with batches of one")
                .map_err(|what| Mismatch::new(mode, what))
        })
    }

    /// Plays `inputs` in every mode, the plain one first, and has each play looked at, beside that one. Gives its outcome.
    fn play_all(
        &self,
        inputs: &[&str],
        look: impl Fn(&Mode, &Played, &Played) -> Result<(), Mismatch>,
    ) -> Result<Outcome, Mismatch> {
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
        look(&plain, &first, &first)?;
        for mode in modes::all(&scripts, self.inputs.iter().all(Input::is_keyed)) {
            look(&mode, &self.play(&scripts, &mode)?, &first)?;
        }
        Ok(first.outcome)
    }

    fn has_outputs(&self, number: usize) -> Result<(), String> {
        match number == self.outputs.len() {
            true => Ok(()),
            false => Err("the number of outputs differs".to_owned()),
        }
    }

    /// Compares with what is expected `by` somebody.
    fn compare(&self, expected: &Outcome, got: &Outcome, by: &str) -> Result<(), String> {
        for (index, (a, b)) in expected.outputs.iter().zip(&got.outputs).enumerate() {
            let (a, b) = (a.without_watermarks(), b.without_watermarks());
            if self.comparable(&a) != self.comparable(&b) {
                return Err(format!("output {index}: {by} `{a}`, here `{b}`"));
            }
        }
        let counted = |outcome: &Outcome| (outcome.late, outcome.untimed, outcome.ahead);
        if counted(expected) != counted(got) {
            return Err(format!(
                "late, without time, too far ahead: {:?} {by}, here {:?}",
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
