use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};
use std::time::Duration;

use millstream_engine::harness::{Harness, Script};
use millstream_engine::key::Keyed;
use millstream_engine::runtime;
use proptest::prelude::*;

use super::ask::{Ask, Call};
use super::failure::OnFailure;
use super::keying::{ByKey, Keying, Plain};
use super::operator::{AsyncCalls, Failure, Terms};
use super::*;
use crate::pipe::Identity;
use crate::testing::{Given, entry, given, given_in_time, script, show};

mod failures;
mod lent_state;

/// A service that is slow at some, and counts how many ask at once.
#[derive(Clone, Default)]
struct Service {
    asking: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Service {
    async fn ask(self, question: String) -> Result<String, Infallible> {
        let asking = self.asking.fetch_add(1, Atomic::Relaxed) + 1;
        self.most.fetch_max(asking, Atomic::Relaxed);
        let slow = question.bytes().map(u64::from).sum::<u64>() * 37 % 5;
        if slow > 0 {
            runtime::sleep(Duration::from_millis(slow)).await;
        }
        self.asking.fetch_sub(1, Atomic::Relaxed);
        Ok(question.to_uppercase())
    }
}

/// The operator in a harness, without its ends.
fn operator<S, C, R>(
    calls: Calls<R>,
    on_failure: OnFailure<Failure<S, C>>,
    call: impl Fn() -> C + 'static,
) -> Harness
where
    S: Keying,
    S::Value: Clone,
    C: Call<S> + 'static,
    R: 'static,
{
    Harness::new(move |replica| {
        let keep = |value: &S::Value| Some(value.clone());
        let terms = Terms::new(&calls, replica, keep, on_failure);
        AsyncCalls::<_, S, _>::new(Identity::<S::Record>::new(), call(), terms)
    })
    .telling_waits()
}

fn harness(service: Service, calls: Calls) -> Harness {
    let call = move || {
        let service = service.clone();
        Ask::new(move |question| service.clone().ask(question))
    };
    let harness = operator::<Plain<String>, _, _>(calls, OnFailure::Skip, call)
        .with_input(str::to_owned)
        .with_output(String::clone);
    if calls.in_order {
        harness.in_order()
    } else {
        harness
    }
}

/// Every record answered, watermarks left out.
fn answers(script: &str) -> String {
    let records: Vec<_> = script
        .split(' ')
        .filter(|item| !item.starts_with('^'))
        .map(str::to_uppercase)
        .collect();
    records.join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_record_is_answered_in_its_order(all in given(24), most in 1..6usize) {
        let text = script(&all);
        let harness = harness(Service::default(), Ordered::up_to(most));
        harness.check(&[&text], &[&answers(&text)]).unwrap();
    }

    /// The harness sees to it that no answer is earlier than the watermark before it.
    #[test]
    fn every_record_is_answered_before_time_passes_it(all in given_in_time(24), most in 1..6usize) {
        let text = script(&all);
        for calls in [Unordered::up_to(most), Ordered::up_to(most)] {
            harness(Service::default(), calls).check(&[&text], &[&answers(&text)]).unwrap();
        }
    }

    /// Each answer carries how many of its key had one before it: whatever overtakes whom, a key's records do not
    /// overtake each other.
    #[test]
    fn by_key_every_record_is_answered_in_the_order_of_its_key(
        all in given_in_time(20), most in 1..6usize,
    ) {
        let text = script(&all);
        let call = || Ask::new(|value: i64| async move {
            runtime::sleep(Duration::from_millis(value.unsigned_abs() * 7 % 5)).await;
            Ok::<_, Infallible>(value * 2)
        });
        let harness = operator::<ByKey<String, i64>, _, _>(Ordered::up_to(most), OnFailure::Skip, call)
            .with_keyed_input(entry)
            .with_output(show::<i64>);
        let outcome = harness.outcome(&[&text]).unwrap();
        let of = |key: char, factor: i64| -> Vec<String> {
            let values = all.iter().filter_map(|given| match *given {
                Given::Record { key: its, value, time } if its == key => {
                    Some(format!("{key}={}@{time}", value * factor))
                }
                _ => None,
            });
            values.collect()
        };
        let output = outcome.outputs[0].to_string();
        for key in ['a', 'b', 'c'] {
            let got: Vec<_> = output.split(' ').filter(|item| item.starts_with(key)).collect();
            prop_assert_eq!(got, of(key, 2));
        }
    }
}

#[test]
fn only_so_many_calls_are_in_flight() {
    let service = Service::default();
    let text: Vec<_> = (0..50).map(|n| format!("q{n}@{n}")).collect();
    let harness = harness(service.clone(), Unordered::up_to(7));
    harness.outcome(&[&text.join(" ")]).unwrap();
    assert_eq!(service.most.load(Atomic::Relaxed), 7);
}

#[test]
fn a_slow_record_is_overtaken_by_records_but_not_by_time() {
    // `b` takes 1 ms, `c` 3 ms, `d` none.
    let input = "c@5 b@3 d@7 ^6 d@8 ^8 |";
    let outcome = harness(Service::default(), Unordered::up_to(9))
        .outcome(&[input])
        .unwrap();
    let output: Script = "D@7 ^3 D@8 B@3 ^5 C@5 ^8 |".parse().unwrap();
    assert_eq!(outcome.outputs, [output]);
}

#[test]
fn a_slow_record_is_overtaken_by_other_keys_but_not_by_its_own() {
    let call = || {
        Ask::new(|value: i64| async move {
            runtime::sleep(Duration::from_millis(value.unsigned_abs())).await;
            Ok::<_, Infallible>(value)
        })
    };
    let outcome = operator::<ByKey<String, i64>, _, _>(Ordered::up_to(9), OnFailure::Skip, call)
        .with_keyed_input(entry)
        .with_output(show::<i64>)
        .outcome(&["a=9@1 a=1@2 b=2@3 b=0@4 |"]);
    let output: Script = "b=2@3 b=0@4 a=9@1 a=1@2 |".parse().unwrap();
    assert_eq!(outcome.unwrap().outputs, [output]);
}

/// A call that wakes itself at once lets the task do its other work too.
#[test]
fn calls_that_are_always_ready_do_not_keep_the_task() {
    let call = || {
        Ask::new(|value: String| async move {
            for _ in 0..2_000 {
                runtime::yield_now().await;
            }
            Ok::<_, Infallible>(value)
        })
    };
    operator::<Plain<String>, _, _>(Ordered::up_to(2), OnFailure::Skip, call)
        .with_input(str::to_owned)
        .with_output(String::clone)
        .in_order()
        .check(&["a@1 b@2 c@3 |"], &["a@1 b@2 c@3 |"])
        .unwrap();
}
