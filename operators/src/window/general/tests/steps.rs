//! Many windows at once: they speak in steps, and a snapshot between two of them loses none.

use std::collections::BTreeMap;

use millstream_engine::batch::{Batch, Record};
use millstream_engine::harness::saved;
use millstream_engine::outbox::PortMaker;
use millstream_engine::runtime::Instant;

use super::*;
use crate::testing::at;

type Counted = Keyed<u64, WindowResult<u64, u64>>;
type Operated = GeneralWindows<u64, (), crate::Count>;

const KEYS: u64 = 12_000;

fn new() -> Operated {
    let wishes = Wishes {
        trigger: Trigger::at_watermark().early(Every::time(micros(5))),
        lateness: 10,
        ..plain()
    };
    GeneralWindows::new(rules(&Tumbling::of(micros(10)), wishes), count())
}

fn give(operator: &mut Operated, out: &mut Outbox) {
    let mut batch = Batch::new(Instant::from_nanos(0));
    let record = |key| Record {
        time: at(3),
        value: Keyed::new(key, ()),
    };
    batch.records = (0..KEYS).map(record).collect();
    operator
        .on_batch(0, &mut AnyBatch::new(batch), out)
        .unwrap();
}

/// How often each pane was said, with the watermark at `time`; and in how many steps.
fn said(
    operator: &mut Operated,
    time: i64,
    out: &mut Outbox,
) -> (BTreeMap<(Timing, u32), u64>, u64) {
    let (mut panes, mut steps) = (BTreeMap::new(), 0);
    let watermark = Watermark {
        time: at(time),
        arrival: Instant::from_nanos(0),
    };
    loop {
        let step = operator.on_watermark(watermark, out).unwrap();
        let mut sealed = Vec::new();
        for port in out.ports_mut() {
            port.seal_all();
            port.take_sealed(&mut sealed);
        }
        assert!(sealed.len() <= 17);
        for mut sealed in sealed {
            for record in &sealed.batch.of::<Counted>().unwrap().records {
                let pane = record.value.value.pane;
                *panes.entry((pane.timing, pane.number)).or_default() += 1;
            }
        }
        steps += 1;
        if step == Step::Done {
            return (panes, steps);
        }
        let state = saved(128, |state| operator.snapshot(state)).unwrap();
        *operator = new();
        operator
            .restore(&StateReader::new(&state, 128, 0, 1))
            .unwrap();
    }
}

#[test]
fn many_windows_speak_in_steps_and_a_snapshot_between_loses_none() {
    let mut out = Outbox::new(vec![PortMaker::moving::<Counted>().make_single()]);
    let mut operator = new();
    give(&mut operator, &mut out);
    for (time, pane) in [(5, (Timing::Early, 0)), (10, (Timing::OnTime, 1))] {
        let (panes, steps) = said(&mut operator, time, &mut out);
        assert_eq!(panes, BTreeMap::from([(pane, KEYS)]));
        assert!(steps > 1);
    }
    assert_eq!(operator.slots.iter().count() as u64, KEYS);
    let (panes, _) = said(&mut operator, 20, &mut out);
    assert!(panes.is_empty() && operator.slots.iter().next().is_none());
    assert_eq!(
        operator.ends.first(),
        None,
        "nothing is left of what is closed"
    );
}
