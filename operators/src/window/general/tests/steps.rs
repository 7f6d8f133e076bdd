//! Many windows at once: they speak in steps, and a snapshot between two of them loses none.

use std::collections::BTreeMap;

use super::*;
use crate::testing::{batch, in_steps, outbox};

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

/// How often each pane was said, with the watermark at `time`; and in how many steps.
fn said(
    operator: Operated,
    time: i64,
    out: &mut Outbox,
) -> (BTreeMap<(Timing, u32), u64>, usize, Operated) {
    let (results, steps, operator) = in_steps::<Counted, _>(operator, out, time, new);
    let mut panes = BTreeMap::new();
    for result in results {
        let pane = result.value.pane;
        *panes.entry((pane.timing, pane.number)).or_default() += 1;
    }
    (panes, steps, operator)
}

#[test]
fn many_windows_speak_in_steps_and_a_snapshot_between_loses_none() {
    let (mut operator, mut out) = (new(), outbox::<Counted>());
    let mut batch = batch((0..KEYS).map(|key| (key, (), 3)));
    operator.on_batch(0, &mut batch, &mut out).unwrap();
    for (time, pane) in [(5, (Timing::Early, 0)), (10, (Timing::OnTime, 1))] {
        let (panes, steps, after) = said(operator, time, &mut out);
        operator = after;
        assert_eq!(panes, BTreeMap::from([(pane, KEYS)]));
        assert!(steps > 1);
    }
    assert_eq!(operator.slots.iter().count() as u64, KEYS);
    let (panes, _, operator) = said(operator, 20, &mut out);
    assert!(panes.is_empty() && operator.slots.iter().next().is_none());
    assert_eq!(
        operator.ends.first(),
        None,
        "nothing is left of what is closed"
    );
}
