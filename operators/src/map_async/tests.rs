use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream_engine::harness::{Harness, Script};
use millstream_engine::runtime;
use proptest::prelude::*;

use super::*;
use crate::pipe::Identity;
use crate::testing::{given, given_in_time, script};

/// A service that is slow at some, and counts how many ask at once.
#[derive(Clone, Default)]
struct Service {
    asking: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Service {
    async fn ask(self, question: String) -> String {
        let asking = self.asking.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(asking, Ordering::Relaxed);
        let slow = question.bytes().map(u64::from).sum::<u64>() * 37 % 5;
        if slow > 0 {
            runtime::sleep(Duration::from_millis(slow)).await;
        }
        self.asking.fetch_sub(1, Ordering::Relaxed);
        question.to_uppercase()
    }
}

fn harness(service: Service, concurrency: Concurrency) -> Harness {
    let harness = Harness::new(move |replica| {
        let service = service.clone();
        MapAsync {
            pipe: Identity::<String>::new(),
            call: move |question| service.clone().ask(question),
            waiting: VecDeque::new(),
            flight: Flight::new(
                concurrency.share(replica.index, replica.parallelism),
                concurrency.in_order,
            ),
            watermark: None,
        }
    })
    .with_input(str::to_owned)
    .with_output(String::clone);
    if concurrency.in_order {
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
        for concurrency in [Unordered::up_to(most), Ordered::up_to(most)] {
            harness(Service::default(), concurrency).check(&[&text], &[&answers(&text)]).unwrap();
        }
    }
}

#[test]
fn only_so_many_calls_are_in_flight() {
    let service = Service::default();
    let text: Vec<_> = (0..50).map(|n| format!("q{n}@{n}")).collect();
    let harness = harness(service.clone(), Unordered::up_to(7));
    harness.outcome(&[&text.join(" ")]).unwrap();
    assert_eq!(service.most.load(Ordering::Relaxed), 7);
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
fn replicas_share_the_calls() {
    let shares = |most: usize, parallelism: usize| -> Vec<usize> {
        let concurrency = Ordered::up_to(most);
        (0..parallelism)
            .map(|index| concurrency.share(index, parallelism))
            .collect()
    };
    assert_eq!(shares(10, 4), [3, 3, 2, 2]);
    assert_eq!(shares(2, 4), [1, 1, 1, 1]);
}
