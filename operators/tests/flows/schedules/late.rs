//! What is late depends on the schedule; that it is either in a window or in the stream of late records does not.

use std::collections::BTreeSet;

use millstream::operators::{Trigger, WindowAssigner, collect_up_to};
use millstream::prelude::*;

use super::facts::{Fact, Span, facts, hastily_timed, span};
use super::panes::ids;
use crate::seeds::every_seed;

enum Heard {
    Window(u64, Span, BTreeSet<u64>),
    Late(Fact),
}

/// The windows' last panes and the late records are all records, each once (each in one of its windows at least).
fn or_in_a_window<W: WindowAssigner + Sync>(windows: W, allowed: std::time::Duration) {
    let merges = windows.merges();
    let flow = every_seed(move |flow, out| {
        let (windows, late) = hastily_timed(flow)
            .key_by(|fact| fact.key)
            .window(windows.clone())
            .trigger(Trigger::default())
            .allowed_lateness(allowed)
            .aggregate_with_late("ids", collect_up_to(100, |fact: &Fact| fact.id));
        let windows = windows
            .values()
            .map(|said| Heard::Window(said.key, span(said.window), ids(said.value)));
        let late = late.values().map(Heard::Late);
        windows.union(late).sink("out", out);
    });
    let mut counts = BTreeSet::new();
    flow.holds(|heard, run| {
        let mut last = std::collections::BTreeMap::new();
        let mut late_ids = BTreeSet::new();
        for heard in heard {
            match heard {
                Heard::Late(fact) => assert!(late_ids.insert(fact.id), "late twice"),
                Heard::Window(key, span, ids) => {
                    for fact in facts().iter().filter(|fact| ids.contains(&fact.id)) {
                        assert!(fact.key == key && (span.0..span.1).contains(&fact.at));
                    }
                    // A session that has grown replaces those it has grown from.
                    if merges {
                        last.retain(|(its, _), before: &mut BTreeSet<u64>| {
                            *its != key || !before.is_subset(&ids)
                        });
                    }
                    last.insert((key, span), ids);
                }
            }
        }
        let in_windows: BTreeSet<u64> = last.into_values().flatten().collect();
        assert_eq!(late_ids.len() as u64, run.late());
        assert!(in_windows.is_disjoint(&late_ids));
        assert_eq!(in_windows.len() + late_ids.len(), facts().len());
        counts.insert(run.late());
    });
    assert!(counts.len() > 3, "it depends on the schedule: {counts:?}");
}

#[test]
fn of_tumbling_windows() {
    or_in_a_window(Tumbling::of(seconds(10)), seconds(0));
}

#[test]
fn of_sliding_windows() {
    or_in_a_window(Sliding::of(seconds(20), seconds(10)), seconds(0));
}

#[test]
fn of_sessions() {
    or_in_a_window(Session::gap(seconds(6)), seconds(0));
}

#[test]
fn of_sliding_windows_that_are_kept_for_a_while() {
    or_in_a_window(Sliding::of(seconds(20), seconds(10)), seconds(10));
}

#[test]
fn of_windows_that_are_kept_for_a_while() {
    or_in_a_window(Tumbling::of(seconds(10)), seconds(10));
}
