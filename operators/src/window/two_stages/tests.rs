use std::collections::BTreeMap;

use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, Batch, Record};
use millstream_engine::harness::Harness;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::Outbox;
use millstream_engine::plan::Replica;
use millstream_engine::runtime::Instant;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use proptest::prelude::*;

use super::*;
use crate::testing::{
    at, batches, count_and_sum, given, highest, micros, naive_windows, of_windows, records_of,
    script,
};
use crate::window::once::WindowAggregate;
use crate::window::sliced::sliced;
use crate::{arg_max, count, sum};

type Entry = Keyed<String, i64>;

/// Both stages, the first in three replicas: which of them reads a record goes by its value.
struct Both<A: Aggregate<i64>> {
    locals: Vec<(Local<String, i64, A>, Outbox)>,
    second: Box<dyn Operator>,
    promised: Option<Timestamp>,
}

/// A piece of the state: what was promised to the first stage.
const PROMISED: &str = "promised";

impl<A: Aggregate<i64, State: Clone>> Both<A> {
    fn new(spans: Spans, aggregate: A, replica: &Replica) -> Self {
        let local = |_| {
            let ports = [
                PortMaker::moving::<Keyed<String, A::State>>(),
                PortMaker::moving::<Entry>(),
            ];
            let ports = ports.iter().map(PortMaker::make_single).collect();
            let local = Local::new(spans, aggregate.clone(), true);
            (local, Outbox::new(ports))
        };
        let combined = Combined::<i64, A>::of(aggregate.clone());
        let second = match spans {
            Spans::Windows(_) => {
                let windows = WindowAggregate::<String, A::State, _>::new(spans, combined, false);
                Box::new(windows)
            }
            Spans::Slices(windows) => {
                let (mut make, _) = sliced::<String, A::State, _>(windows, combined, false);
                make(replica)
            }
        };
        let locals = (0..3).map(local).collect();
        Both {
            locals,
            second,
            promised: None,
        }
    }

    /// Has the local ones do something until they are done, and hands on what they put out.
    fn locally(
        &mut self,
        out: &mut Outbox,
        mut call: impl FnMut(&mut dyn Operator, &mut Outbox) -> Result<Step>,
    ) -> Result<()> {
        for (local, its) in &mut self.locals {
            while call(local, its)? == Step::More {}
            for mut sealed in batches(its, 0) {
                self.second.on_batch(0, &mut sealed.batch, out)?;
            }
            for record in records_of::<Entry>(its, LATE).0 {
                let late = record.value;
                out.port(LATE)?.push_keyed(late.hash, late, record.time);
            }
            out.count_late(its.take_late());
        }
        Ok(())
    }
}

impl<A: Aggregate<i64, State: Clone>> Operator for Both<A> {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let mut dealt = vec![Vec::new(); 3];
        for record in batch.of::<Entry>()?.records.drain(..) {
            dealt[record.value.value as usize % 3].push(record);
        }
        let mut dealt = dealt.into_iter();
        self.locally(out, |local, its| {
            let mut batch = Batch::new(Instant::from_nanos(0));
            batch.records = dealt.next().unwrap_or_default();
            local.on_batch(0, &mut AnyBatch::new(batch), its)?;
            Ok(Step::Done)
        })
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.promised = Some(watermark.time);
        self.locally(out, |local, its| local.on_watermark(watermark, its))?;
        self.second.on_watermark(watermark, out)
    }

    fn on_release(&mut self, out: &mut Outbox) -> Result<Step> {
        self.locally(out, |local, its| local.on_release(its))?;
        Ok(Step::Done)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.locally(out, |local, its| local.on_end(its))?;
        self.second.on_end(out)
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        for (local, _) in &mut self.locals {
            local.snapshot(state)?;
        }
        if let Some(promised) = self.promised {
            state.put_piece(PROMISED, &promised)?;
        }
        self.second.snapshot(state)
    }

    /// Behind a restart the clocks before them promise again what they had promised.
    fn restore(&mut self, state: &StateReader) -> Result<()> {
        // All pieces are times: the second stage's is how far its windows are closed.
        for piece in state.pieces::<Timestamp>() {
            let (name, time) = piece?;
            if name == PROMISED {
                self.promised = Some(time);
            }
        }
        if let Some(time) = self.promised {
            let arrival = Instant::from_nanos(0);
            for (local, its) in &mut self.locals {
                local.on_watermark(Watermark { time, arrival }, its)?;
            }
        }
        self.second.restore(state)
    }
}

fn harness<A>(spans: Spans, aggregate: A, show_value: fn(&A::Out) -> String) -> Harness
where
    A: Aggregate<i64, State: Clone>,
{
    let both = Harness::new(move |replica| Both::new(spans, aggregate.clone(), replica));
    of_windows(both, show_value)
}

/// Counts and adds up: slices are taken out again.
fn sums(spans: Spans) -> Harness {
    let show = |(count, sum): &(u64, i64)| format!("{count}:{sum}");
    harness(spans, (count(), sum(|value: &i64| *value)), show)
}

/// Finds the highest value: slices are combined.
fn maxima(spans: Spans) -> Harness {
    let highest = arg_max(|value: &i64| *value, |value: &i64| *value);
    harness(spans, highest, i64::to_string)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tumbling_windows_equal_the_naive_ones_in_every_mode(
        all in given(24), size in 1..30i64, offset in 0..40i64,
    ) {
        let windows = Tumbling::of(micros(size)).with_offset(micros(offset));
        let (results, late) = naive_windows(&all, windows, count_and_sum);
        let spans = Spans::Windows(windows);
        sums(spans).check(&[&script(&all)], &[&results, &late]).unwrap();
    }

    #[test]
    fn sliding_windows_equal_the_naive_ones_in_every_mode(
        all in given(24), size in 1..40i64, slide in 1..20i64, offset in 0..20i64,
    ) {
        let windows = Sliding::of(micros(size), micros(slide)).with_offset(micros(offset));
        let spans = Spans::Slices(windows);
        let (results, late) = naive_windows(&all, windows, count_and_sum);
        sums(spans).check(&[&script(&all)], &[&results, &late]).unwrap();
        let (results, late) = naive_windows(&all, windows, highest);
        maxima(spans).check(&[&script(&all)], &[&results, &late]).unwrap();
    }
}

#[test]
fn a_result_is_there_when_the_watermark_passes_its_window() {
    sums(Spans::Windows(Tumbling::of(micros(10))))
        .check(
            &["a=1@1 b=2@3 a=5@9 ^9 a=1@0 ^10 a=7@12 c=1@-1 ^35 b=1@41 |"],
            &[
                "^9 a:0..:3:7@9 b:0..:1:2@9 ^10 a:10..:1:7@19 ^35 b:40..:1:1@49 |",
                "^9 ^10 c=1@-1 ^35 |",
            ],
        )
        .unwrap();
    // The slice of 2 is closed and said when another record comes for it: the window from 0 takes it in.
    sums(Spans::Slices(Sliding::of(micros(10), micros(5))))
        .check(
            &["a=1@3 a=2@2 ^5 a=4@2 a=1@8 ^10 |"],
            &["a:-5..:2:3@4 ^5 a:0..:4:8@9 ^10 a:5..:1:1@14 |", "^5 ^10 |"],
        )
        .unwrap();
}

type Counts = Keyed<u64, u64>;

/// A record of each of 40,000 keys.
fn one_of_each() -> AnyBatch {
    let mut batch = Batch::new(Instant::from_nanos(0));
    let record = |key| Record {
        time: at(3),
        value: Keyed::new(key, ()),
    };
    batch.records = (0..40_000u64).map(record).collect();
    AnyBatch::new(batch)
}

#[test]
fn what_is_released_leaves_in_steps_and_it_begins_again() {
    let windows = Spans::Windows(Tumbling::of(micros(10)));
    let mut local = Local::<u64, (), _>::new(windows, count(), false);
    let mut out = Outbox::new(vec![PortMaker::moving::<Counts>().make_single()]);
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    for round in 1..=2 {
        local.on_batch(0, &mut one_of_each(), &mut out).unwrap();
        let mut steps = 0;
        while {
            steps += 1;
            let step = local.on_release(&mut out).unwrap();
            let mut sealed = Vec::new();
            for port in out.ports_mut() {
                port.seal_all();
                port.take_sealed(&mut sealed);
            }
            assert!(sealed.len() <= 17);
            for mut sealed in sealed {
                for record in &sealed.batch.of::<Counts>().unwrap().records {
                    assert_eq!(record.time, at(9), "it falls into the window it is of");
                    *seen.entry(record.value.key).or_default() += record.value.value;
                }
            }
            step == Step::More
        } {}
        assert!(steps > 2, "{steps} steps");
        assert!(seen.len() == 40_000 && seen.values().all(|count| *count == round));
    }
    local.on_batch(0, &mut one_of_each(), &mut out).unwrap();
    let saved = millstream_engine::harness::saved(128, |state| local.snapshot(state)).unwrap();
    let nothing = saved.shards.is_empty() && saved.pieces.is_empty();
    assert!(nothing, "what is not released is not saved either");
}
