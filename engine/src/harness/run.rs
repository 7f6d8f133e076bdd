//! One play of the scripts.

use super::modes::{Cuts, Mode, in_order};
use super::script::first_late;
use super::typed::{Dealing, Written};
use super::{Harness, Item, Mismatch, Outcome, Script};
use crate::batch::{AnyBatch, PartitionId};
use crate::error::{Error, Result};
use crate::operator::{Operator, Step};
use crate::outbox::Outbox;
use crate::plan::Replica;
use crate::random::SplitMix64;
use crate::runtime::{self, Instant};
use crate::source::PartitionNews;
use crate::state::{StateReader, VertexState};
use crate::time::{Frontier, Timestamp, Watermark};
use crate::why::Until;

pub(super) const SHARDS: u32 = 128;
/// More sealed batches than this in one step, and the operator did not heed its full outbox. Above the bound of a full
/// port, because a step may overshoot it.
const BATCHES_OF_A_STEP: usize = 64;

impl Harness {
    /// Plays the scripts in this mode.
    pub(super) fn play(&self, scripts: &[Script], mode: &Mode) -> Result<Played, Mismatch> {
        let played = runtime::simulate(1, async {
            let mut play = Play::new(self, mode, scripts.len())?;
            play.run(scripts).await?;
            Ok(play)
        });
        let play = played
            .map_err(|stalled| Error::internal(stalled.to_string()))
            .flatten()
            .map_err(|error: Error| Mismatch::new(mode, error.to_string()))?;
        let Play { outcome, told, .. } = play;
        let in_time = first_late(told.iter().map(|(_, item)| item)).is_none();
        let timed = scripts.iter().all(Script::has_watermarks);
        let mut outputs = outcome.outputs.iter();
        if let Some(late) = outputs.find_map(|script| first_late(&script.items))
            && in_time
            && timed
        {
            let what = format!("{late:?} is earlier than the watermark before it");
            return Err(Mismatch::new(mode, what));
        }
        Ok(Played { outcome, told })
    }
}

/// What came of a play, and of what.
#[derive(PartialEq)]
pub(super) struct Played {
    pub(super) outcome: Outcome,
    /// What the operator was told, in order, with the number of the input. Watermarks are those of all inputs together.
    pub(super) told: Vec<(usize, Item)>,
}

pub(super) struct Play<'a> {
    pub(super) harness: &'a Harness,
    pub(super) mode: &'a Mode,
    pub(super) replicas: Vec<UnderTest>,
    inputs: Vec<Progress>,
    outcome: Outcome,
    told: Vec<(usize, Item)>,
    /// How far time has come at the operator, and behind it.
    pub(super) watermark: Option<Watermark>,
    promised: Option<Watermark>,
    /// How many records were put out when an operator was polled.
    pub(super) answers: usize,
    processing_time: Timestamp,
    pub(super) calls: usize,
}

pub(super) struct UnderTest {
    pub(super) operator: Box<dyn Operator>,
    pub(super) out: Outbox,
}

#[derive(Clone, Copy, PartialEq)]
enum Progress {
    At(Frontier),
    Ended,
}

impl<'a> Play<'a> {
    fn new(harness: &'a Harness, mode: &'a Mode, inputs: usize) -> Result<Self> {
        if inputs != harness.inputs.len() {
            return Err(Error::config(format!(
                "{inputs} scripts for {} inputs",
                harness.inputs.len()
            )));
        }
        let outputs = vec![Script::default(); harness.outputs.len()];
        let mut play = Play {
            harness,
            mode,
            replicas: Vec::new(),
            inputs: vec![Progress::At(Frontier::Unknown); inputs],
            outcome: Outcome {
                outputs,
                late: 0,
                untimed: 0,
                ahead: 0,
            },
            told: Vec::new(),
            watermark: None,
            promised: None,
            answers: 0,
            processing_time: Timestamp::EPOCH,
            calls: 0,
        };
        play.start(mode.parallelism, None)?;
        Ok(play)
    }

    /// Makes the replicas anew.
    pub(super) fn start(&mut self, parallelism: usize, state: Option<&VertexState>) -> Result<()> {
        self.replicas.clear();
        for index in 0..parallelism {
            let replica = Replica {
                vertex: "under-test".into(),
                index,
                parallelism,
            };
            let mut operator = (self.harness.make)(&replica);
            if let Some(state) = state {
                operator.restore(&StateReader::new(state, SHARDS, index, parallelism))?;
            }
            for input in 0..self.inputs.len() {
                let name = format!("input-{input}").into();
                operator.on_partition(&PartitionNews::Assigned(PartitionId(input as u32), name));
            }
            let ports = self
                .harness
                .outputs
                .iter()
                .map(|output| output.port())
                .collect();
            let mut out = Outbox::new(ports);
            out.advance_processing_time(self.processing_time);
            self.replicas.push(UnderTest { operator, out });
        }
        Ok(())
    }

    async fn run(&mut self, scripts: &[Script]) -> Result<()> {
        let mut draw = match self.mode.cuts {
            Cuts::Drawn(seed) => Some(SplitMix64::new(seed)),
            Cuts::Each | Cuts::None => None,
        };
        let mut batch: Vec<Written> = Vec::new();
        let items = in_order(scripts, &self.mode.order);
        for (index, &(input, item)) in items.iter().enumerate() {
            if !matches!(item, Item::Watermark(_)) {
                self.told.push((input, item.clone()));
            }
            match item {
                Item::Record(value, time) => {
                    batch.push((value.clone(), *time));
                    let goes_on = matches!(
                        items.get(index + 1),
                        Some((next, Item::Record(..))) if *next == input
                    );
                    let cut = match &mut draw {
                        Some(draw) => draw.below(3) == 0,
                        None => self.mode.cuts == Cuts::Each,
                    };
                    if cut || !goes_on {
                        self.batch(input, &std::mem::take(&mut batch)).await?;
                    }
                }
                Item::Watermark(time) => {
                    let watermark = Watermark {
                        time: *time,
                        arrival: self.arrival(),
                    };
                    self.inputs[input] = Progress::At(Frontier::At(watermark));
                    self.rise(input).await?;
                }
                Item::ProcessingTime(time) => self.tick(*time).await?,
                Item::End => {
                    self.inputs[input] = Progress::Ended;
                    if self.inputs.len() > 1 {
                        self.input_end(input).await?;
                    }
                    self.rise(input).await?;
                }
            }
        }
        self.finish_in_flight().await?;
        self.promise();
        if self
            .inputs
            .iter()
            .all(|progress| *progress == Progress::Ended)
        {
            while self.step(|operator, out| operator.on_end(out)).await? == Step::More {}
            for output in &mut self.outcome.outputs {
                output.items.push(Item::End);
            }
        }
        Ok(())
    }

    async fn batch(&mut self, input: usize, records: &[Written]) -> Result<()> {
        let dealing = Dealing {
            parallelism: self.replicas.len(),
            shards: SHARDS,
            arrival: self.arrival(),
            partition: PartitionId(input as u32),
        };
        let batches = self.harness.inputs[input].deal(records, &dealing);
        for (index, batch) in batches.into_iter().enumerate() {
            let Some(mut batch) = batch else { continue };
            self.make_room(index).await?;
            let UnderTest { operator, out } = &mut self.replicas[index];
            out.begin(batch.arrival(), batch.partition());
            operator.on_batch(input, &mut batch, out)?;
            emptied(&batch)?;
            self.collect(index)?;
        }
        self.called().await
    }

    /// Tells the operator how far time has come, now that `input` got on, if that is further than before.
    async fn rise(&mut self, input: usize) -> Result<()> {
        let live = self.inputs.iter().filter_map(|progress| match progress {
            Progress::At(frontier) => Some(*frontier),
            Progress::Ended => None,
        });
        let Frontier::At(watermark) = live.fold(Frontier::Idle, Frontier::merge) else {
            return Ok(());
        };
        if self
            .watermark
            .is_some_and(|before| before.time >= watermark.time)
        {
            return Ok(());
        }
        let told = (self.first_wait(Until::watermark), self.records());
        self.watermark = Some(watermark);
        self.told.push((input, Item::Watermark(watermark.time)));
        let tell = |operator: &mut dyn Operator, out: &mut Outbox| {
            out.begin(watermark.arrival, PartitionId::ONLY);
            operator.on_watermark(watermark, out)
        };
        while self.step(tell).await? == Step::More {}
        self.hold_to_what_it_told(Until::watermark, watermark.time, told)
    }

    /// Tells the operator that one of its inputs has ended.
    async fn input_end(&mut self, input: usize) -> Result<()> {
        let told = (self.waits_for_end_of(input), self.records());
        let arrival = self.arrival();
        let tell = |operator: &mut dyn Operator, out: &mut Outbox| {
            out.begin(arrival, PartitionId::ONLY);
            operator.on_input_end(input, out)
        };
        while self.step(tell).await? == Step::More {}
        self.hold_to_the_end(input, told)
    }

    /// Processing time has come to `time`: timers that are due go off.
    async fn tick(&mut self, time: Timestamp) -> Result<()> {
        let told = (self.first_wait(Until::processing_time), self.records());
        let waited = time.since(self.processing_time);
        self.processing_time = self.processing_time.max(time);
        let arrival = self.arrival();
        for UnderTest { out, .. } in &mut self.replicas {
            out.advance_processing_time(time);
            out.advance_waited(waited);
        }
        let is_due = |operator: &dyn Operator, out: &Outbox| {
            operator
                .next_timer()
                .is_some_and(|timer| timer <= out.processing_time())
        };
        let fire = |operator: &mut dyn Operator, out: &mut Outbox| {
            if !is_due(operator, out) {
                return Ok(Step::Done);
            }
            out.begin(arrival, PartitionId::ONLY);
            let step = operator.on_timer(out)?;
            if step == Step::Done && is_due(operator, out) {
                return Err(Error::internal(
                    "its timer is still due when it is done (contract, sentence 13)",
                ));
            }
            Ok(step)
        };
        while self.step(fire).await? == Step::More {}
        self.hold_to_what_it_told(Until::processing_time, self.processing_time, told)
    }

    /// How many records there are in the output, those aside that waited for an answer.
    pub(super) fn records(&self) -> usize {
        let items = self.outcome.outputs.iter().flat_map(|script| &script.items);
        let records = items.filter(|item| matches!(item, Item::Record(..)));
        records.count() - self.answers
    }

    /// One step of all replicas.
    async fn step(
        &mut self,
        mut step: impl FnMut(&mut dyn Operator, &mut Outbox) -> Result<Step>,
    ) -> Result<Step> {
        let mut all = Step::Done;
        for index in 0..self.replicas.len() {
            let UnderTest { operator, out } = &mut self.replicas[index];
            if step(&mut **operator, out)? == Step::More {
                all = Step::More;
            }
            if self.collect(index)? > BATCHES_OF_A_STEP {
                return Err(Error::internal(
                    "it went on when its outbox was full (contract, sentence 12)",
                ));
            }
        }
        self.called().await?;
        Ok(all)
    }

    /// Takes what is in a replica's outbox; says how many batches that were.
    pub(super) fn collect(&mut self, index: usize) -> Result<usize> {
        let out = &mut self.replicas[index].out;
        let mut sealed = Vec::new();
        let mut batches = 0;
        let outputs = self.harness.outputs.iter().zip(&mut self.outcome.outputs);
        for (port, (output, script)) in out.ports_mut().iter_mut().zip(outputs) {
            port.seal_all();
            port.take_sealed(&mut sealed);
            batches += sealed.len();
            for mut sealed in sealed.drain(..) {
                let records = output.show(&mut sealed.batch)?;
                script.items.extend(
                    records
                        .into_iter()
                        .map(|(value, time)| Item::Record(value, time)),
                );
            }
        }
        self.outcome.late += out.take_late();
        self.outcome.untimed += out.take_untimed();
        self.outcome.ahead += out.take_ahead();
        Ok(batches)
    }

    /// Writes a watermark behind the output, if the operators promise a higher one.
    pub(super) fn promise(&mut self) {
        let input = self.watermark.map_or(Frontier::Unknown, Frontier::At);
        let promises = self
            .replicas
            .iter()
            .map(|replica| replica.operator.frontier(input));
        let Frontier::At(watermark) = promises.fold(Frontier::Idle, Frontier::merge) else {
            return;
        };
        if self
            .promised
            .is_none_or(|before| before.time < watermark.time)
        {
            self.promised = Some(watermark);
            for output in &mut self.outcome.outputs {
                output.items.push(Item::Watermark(watermark.time));
            }
        }
    }

    fn arrival(&self) -> Instant {
        Instant::from_nanos(self.calls as u64)
    }
}

fn emptied(batch: &AnyBatch) -> Result<()> {
    match batch.is_empty() {
        true => Ok(()),
        false => Err(Error::internal(
            "it left records in its batch (contract, sentence 9)",
        )),
    }
}
