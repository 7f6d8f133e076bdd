use std::collections::BTreeMap;
use std::time::Duration;

use millstream_engine::batch::{Batch, Record};
use millstream_engine::harness::Harness;
use millstream_engine::state::{StateReader, StateWriter};
use proptest::prelude::*;

use super::*;
use crate::testing::{Given, at, entry, given, script};
use crate::{Count, Sum, count, sum};

type Pair = (Count, Sum<fn(&i64) -> i64>);
type State = (u64, i128);

fn pair() -> Pair {
    (count(), sum((|value| *value) as fn(&i64) -> i64))
}

/// A combiner with the simplest of windows behind it.
struct Both {
    combiner: Combiner<String, i64, Pair>,
    between: Outbox,
    windows: BTreeMap<(Timestamp, String), State>,
    closed: Timestamp,
    size: i64,
}

impl Both {
    fn new(size: i64, slots: usize, trial: usize) -> Self {
        let windows = Tumbling::of(Duration::from_micros(size as u64));
        let port = PortMaker::moving::<Keyed<String, Part<i64, State>>>().make_single();
        Both {
            combiner: Combiner::new(windows, pair(), slots, trial),
            between: Outbox::new(vec![port]),
            windows: BTreeMap::new(),
            closed: Timestamp::MIN,
            size,
        }
    }

    /// Takes over what the combiner has put out.
    fn take_over(&mut self, out: &mut Outbox) -> Result<()> {
        let mut sealed = Vec::new();
        for port in self.between.ports_mut() {
            port.seal_all();
            port.take_sealed(&mut sealed);
        }
        for mut sealed in sealed {
            let batch = sealed.batch.of::<Keyed<String, Part<i64, State>>>()?;
            for Record { time, value } in batch.records.drain(..) {
                let Keyed { key, value, .. } = value;
                let window = self.combiner.windows.window_of(time);
                let (state, records) = match value {
                    Part::Record(value) => (pair().init(&value), 1),
                    Part::State(state, records) => (state, records),
                };
                assert_eq!(state.0, records.into());
                if window.end <= self.closed {
                    out.count_late(records.into());
                    continue;
                }
                let entry = self.windows.entry((window.start, key));
                entry
                    .and_modify(|so_far| pair().merge(so_far, state))
                    .or_insert(state);
            }
        }
        Ok(())
    }

    fn fire(&mut self, watermark: Timestamp, out: &mut Outbox) -> Result<Step> {
        self.closed = watermark;
        while let Some(first) = self.windows.first_entry()
            && first.key().0.as_micros() + self.size <= watermark.as_micros()
        {
            let ((start, key), (count, sum)) = first.remove_entry();
            let text = format!("{key}:{}..:{count}:{sum}", start.as_micros());
            out.port(0)?
                .push(text, at(start.as_micros() + self.size - 1));
        }
        Ok(Step::Done)
    }
}

impl Operator for Both {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        self.combiner.on_batch(0, batch, &mut self.between)?;
        self.take_over(out)
    }
    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        while self.combiner.on_watermark(watermark, &mut self.between)? == Step::More {
            self.take_over(out)?;
        }
        self.take_over(out)?;
        self.fire(watermark.time, out)
    }
    fn on_flush(&mut self, out: &mut Outbox) -> Result<Step> {
        let step = self.combiner.on_flush(&mut self.between)?;
        self.take_over(out)?;
        Ok(step)
    }
    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        assert_eq!(self.combiner.on_end(&mut self.between)?, Step::Done);
        self.take_over(out)?;
        self.fire(at(1_000), out)
    }
    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        assert!(self.combiner.taken.is_empty(), "it keeps nothing back");
        let mut windows = self.windows.iter();
        windows
            .try_for_each(|((start, key), value)| state.put(KeyHash::of(key), &(start, key, value)))
    }
    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.closed = state.frontier().unwrap_or(Timestamp::MIN);
        for value in state.values::<(Timestamp, String, State)>() {
            let (start, key, value) = value?;
            self.windows.insert((start, key), value);
        }
        Ok(())
    }
}

/// All records of a window, grouped; and how many came behind its end.
fn naive(all: &[Given], size: i64) -> (String, u64) {
    let mut windows: BTreeMap<(i64, char), (u64, i64)> = BTreeMap::new();
    let (mut watermark, mut late) = (-1_000, 0);
    for given in all {
        match *given {
            Given::Record { key, value, time } => {
                let start = time.div_euclid(size) * size;
                if start + size <= watermark {
                    late += 1;
                } else {
                    let entry = windows.entry((start, key)).or_default();
                    *entry = (entry.0 + 1, entry.1 + value);
                }
            }
            Given::Watermark(time) => watermark = time,
        }
    }
    let each = |((start, key), (count, sum)): ((i64, char), (u64, i64))| {
        format!("{key}:{start}..:{count}:{sum}@{} ", start + size - 1)
    };
    (windows.into_iter().map(each).collect(), late)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Few slots, so that keys collide; short trials, so that it steps aside and comes again.
    #[test]
    fn windows_behind_it_say_what_they_would_without_it(
        all in given(30), size in 1..30i64, slots in 0..3u32, trial in 1..8usize,
    ) {
        let harness = Harness::new(move |_| Both::new(size, 1 << slots, trial))
            .with_keyed_input(entry)
            .with_output(|text: &String| text.clone());
        let outcome = harness.outcome(&[&script(&all)]).unwrap();
        let (results, late) = naive(&all, size);
        let mut got: Vec<String> = outcome.outputs[0].to_string()
            .split(' ').filter(|text| *text != "|" && !text.starts_with('^')).map(str::to_owned).collect();
        let mut expected: Vec<String> = results.split_terminator(' ').map(str::to_owned).collect();
        got.sort();
        expected.sort();
        prop_assert_eq!(got, expected);
        prop_assert_eq!(outcome.late, late);
    }
}

/// What a combiner sends for these (key, time), and how much of it are plain records.
fn sent(
    combiner: &mut Combiner<u64, (), Count>,
    out: &mut Outbox,
    records: impl Iterator<Item = (u64, i64)>,
) -> (usize, usize) {
    let mut batch = Batch::new(Instant::from_nanos(5));
    batch.records = records
        .map(|(key, time)| Record {
            time: at(time),
            value: Keyed::new(key, ()),
        })
        .collect();
    combiner
        .on_batch(0, &mut AnyBatch::new(batch), out)
        .unwrap();
    drain(out)
}

fn drain(out: &mut Outbox) -> (usize, usize) {
    let mut sealed = Vec::new();
    for port in out.ports_mut() {
        port.seal_all();
        port.take_sealed(&mut sealed);
    }
    let (mut all, mut plain) = (0, 0);
    for mut sealed in sealed {
        for record in &sealed
            .batch
            .of::<Keyed<u64, Part<(), u64>>>()
            .unwrap()
            .records
        {
            all += 1;
            plain += usize::from(matches!(record.value.value, Part::Record(())));
        }
    }
    (all, plain)
}

fn combiner(trial: usize) -> (Combiner<u64, (), Count>, Outbox) {
    let windows = Tumbling::of(Duration::from_micros(1_000));
    let port = PortMaker::moving::<Keyed<u64, Part<(), u64>>>().make_single();
    (
        Combiner::new(windows, count(), SLOTS, trial),
        Outbox::new(vec![port]),
    )
}

#[test]
fn a_key_that_has_half_of_the_records_is_sent_once() {
    let (mut combiner, mut out) = combiner(TRIAL);
    let half = |n: u64| if n.is_multiple_of(2) { 7 } else { n };
    let (all, _) = sent(&mut combiner, &mut out, (0..4_000).map(|n| (half(n), 3)));
    let (rest, plain) = {
        combiner.on_flush(&mut out).unwrap();
        drain(&mut out)
    };
    assert!(
        all + rest <= 2_001 && plain == 0,
        "{all} and {rest} for 4,000"
    );
    combiner.on_flush(&mut out).unwrap();
    assert_eq!(drain(&mut out), (0, 0));
}

#[test]
fn it_steps_aside_where_keys_do_not_come_again_and_tries_anew() {
    let (mut combiner, mut out) = combiner(1_000);
    let mut plain = 0;
    for round in 0..40 {
        let keys = round * 1_000..(round + 1) * 1_000;
        plain += sent(&mut combiner, &mut out, keys.map(|key| (key, 3))).1;
    }
    assert!(plain >= 36_000, "{plain} of 40,000 went by");
    // Now all are of one key.
    let mut all = 0;
    for _ in 0..40 {
        all += sent(&mut combiner, &mut out, (0..1_000).map(|_| (7, 3))).0;
    }
    assert!(all <= 16_000 + SLOTS, "{all} of 40,000 were sent");
}

#[test]
fn a_watermark_takes_along_what_it_passes_and_no_more() {
    let (mut combiner, mut out) = combiner(TRIAL);
    let times = [(1, 500), (2, 999), (1, 1_000), (1, 600), (2, 1_700)];
    assert_eq!(sent(&mut combiner, &mut out, times.into_iter()), (0, 0));
    let mut watermark = |time| {
        let watermark = Watermark {
            time: at(time),
            arrival: Instant::from_nanos(9),
        };
        assert_eq!(
            combiner.on_watermark(watermark, &mut out).unwrap(),
            Step::Done
        );
        drain(&mut out).0
    };
    assert_eq!([999, 1_000, 1_999, 2_000].map(&mut watermark), [0, 2, 0, 2]);
}

#[test]
fn what_is_sent_carries_the_arrival_of_the_oldest() {
    let (mut combiner, mut out) = combiner(TRIAL);
    sent(&mut combiner, &mut out, [(1, 5)].into_iter());
    out.begin(Instant::from_nanos(80), PartitionId(0));
    combiner.on_flush(&mut out).unwrap();
    let mut sealed = Vec::new();
    out.ports_mut()[0].seal_all();
    out.ports_mut()[0].take_sealed(&mut sealed);
    assert_eq!(sealed[0].batch.arrival(), Instant::from_nanos(5));
}
