//! So much that batches fill and channels are full, and that operators have more to say at once than goes into an outbox:
//! they say it in several steps. A value takes so much room that a few of them fill a batch, and 48 an outbox.

mod joins;
mod timers;
mod windows;

use std::collections::BTreeMap;

use millstream::connectors::memory::CollectSink;
use millstream::operators::Retract;
use millstream::prelude::*;
use serde::{Deserialize, Serialize};

use super::facts::{Fact, Span, in_time, many};
use super::lanes::Lanes;

/// As many as take a second or two for each test.
const SEEDS: u64 = 20;
/// Results of one watermark that are more than an outbox takes, however many replicas share them.
const AT_ONCE: usize = 4 * 48;

/// A value that takes 8 KiB.
#[derive(Clone, Serialize, Deserialize)]
struct Bulky<T>(T, [[u64; 32]; 32]);

fn bulky<T>(value: T) -> Bulky<T> {
    Bulky(value, [[7; 32]; 32])
}

/// What another aggregate comes to takes much room.
#[derive(Clone)]
struct Bulkily<A>(A);

impl<A: Aggregate<Fact>> Aggregate<Bulky<Fact>> for Bulkily<A> {
    type State = A::State;
    type Out = Bulky<A::Out>;

    const RETRACT: Option<Retract<Self, A::State>> = match A::RETRACT {
        Some(_) => Some(|all, state, gone| {
            if let Some(retract) = A::RETRACT {
                retract(&all.0, state, gone);
            }
        }),
        None => None,
    };

    fn init(&self, first: &Bulky<Fact>) -> A::State {
        self.0.init(&first.0)
    }

    fn add(&self, state: &mut A::State, value: &Bulky<Fact>) {
        self.0.add(state, &value.0);
    }

    fn merge(&self, state: &mut A::State, other: A::State) {
        self.0.merge(state, other);
    }

    fn finish(&self, state: A::State) -> Self::Out {
        bulky(self.0.finish(state))
    }
}

/// Those of one side: 900, of 400 keys, three to a second.
fn facts(side: u64) -> Vec<Fact> {
    many(side).concat()
}

fn timed(flow: &Scope, name: &str, side: u64) -> Stream<Bulky<Fact>> {
    let lanes = Lanes::new(many(side)).giving_up_to(150);
    flow.source(name, lanes)
        .event_time(Fact::time, in_time())
        .map(bulky)
        .erase()
}

/// The same by key.
fn keyed(flow: &Scope, name: &str, side: u64) -> KeyedStream<u64, Bulky<Fact>> {
    timed(flow, name, side).key_by(|fact| fact.0.key)
}

type ByWindow = BTreeMap<(u64, Span), Vec<Fact>>;

/// So many results have the same window.
fn assert_many_at_once(expected: &ByWindow) {
    let mut of_window = BTreeMap::<Span, usize>::new();
    for (_, span) in expected.keys() {
        *of_window.entry(*span).or_default() += 1;
    }
    let most = of_window.into_values().max();
    assert!(most > Some(AT_ONCE), "{most:?}");
}

/// What is told goes to the sink; and to windows that would be late for it if a watermark overtook what is told behind the
/// first step.
fn lead<T: Clone + Send + 'static>(told: Stream<T>, out: CollectSink<T>) {
    told.clone()
        .window_all(Tumbling::of(seconds(1)))
        .aggregate("in-time", count())
        .discard();
    told.sink("out", out);
}
