//! Look-ups are held to naive ones.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures::future::BoxFuture;
use millstream_engine::harness::Harness;
use proptest::prelude::*;

use super::*;
use crate::asynchronous::{Repeated, Unordered};
use crate::pipe::Identity;
use crate::testing::{Given, entry, given, given_in_time, script, show};

/// One entry after the other is looked at: its key, until when its answer is used, and whether it was.
#[derive(Default)]
struct Naive {
    ring: Vec<(u32, Option<u64>, bool)>,
    hand: usize,
}

impl Naive {
    /// Whether a key must be asked for; then its answer is used until `until`.
    fn asks(&mut self, key: u32, now: u64, until: Option<u64>, most: usize) -> bool {
        if let Some(entry) = self.ring.iter_mut().find(|entry| entry.0 == key) {
            let is_fresh = entry.1.is_some_and(|until| now < until);
            match is_fresh {
                true => entry.2 = true,
                false => entry.1 = until,
            }
            return !is_fresh;
        }
        if self.ring.len() < most {
            self.ring.push((key, until, false));
        } else if most > 0 {
            while std::mem::take(&mut self.ring[self.hand].2) {
                self.hand = (self.hand + 1) % most;
            }
            self.ring[self.hand] = (key, until, false);
            self.hand = (self.hand + 1) % most;
        }
        true
    }
}

proptest! {
    #[test]
    fn as_much_is_asked_as_the_naive_cache_asks(
        asked in prop::collection::vec((prop_oneof![4 => 0..9u32, 1 => Just(100)], 0..3u64), 0..60),
        most in 0..7usize, ttl in 1..8u64, negative_ttl in 1..4u64,
    ) {
        let cache = LookupCache::up_to(most)
            .with_ttl(Duration::from_secs(ttl))
            .with_negative_ttl(Duration::from_secs(negative_ttl));
        runtime::simulate(1, async {
            let (answers, service, mut naive) = (once(cache), Service::default(), Naive::default());
            let mut now = 0;
            for (key, pause) in asked {
                // What a call takes does not count beside that.
                runtime::sleep(Duration::from_secs(pause)).await;
                now += pause;
                let until = match service.answer(key) {
                    Ok(Some(_)) => Some(now + ttl),
                    Ok(None) => Some(now + negative_ttl),
                    Err(_) => None,
                };
                let calls = ask_each(&answers, &service, &[key]).await;
                prop_assert_eq!(calls == 1, naive.asks(key, now, until, most), "{} at {}", key, now);
            }
            Ok(())
        })
        .unwrap()?;
    }
}

/// What the service says of each key: `a` is there, `b` is not, and `c` cannot be told.
fn told(key: &str) -> Result<Option<i64>, &'static str> {
    match key {
        "a" => Ok(Some(7)),
        "b" => Ok(None),
        _ => Err("broken"),
    }
}

/// A service that answers `a` and `b` at every third call of the key only: one call gives an error, and one hangs.
/// (A service that is asked for a key again while it is being asked cannot keep count: then it answers at once.)
fn ask(
    keeps_count: bool,
) -> impl Fn(String) -> BoxFuture<'static, Result<Option<i64>, &'static str>> + Clone {
    let counts: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    move |key: String| {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(key.clone()).or_default();
        *count += 1;
        let turn = if keeps_count && key != "c" {
            *count % 3
        } else {
            0
        };
        async move {
            runtime::sleep(Duration::from_millis(3)).await;
            match turn {
                1 => Err("busy"),
                2 => std::future::pending().await,
                _ => told(&key),
            }
        }
        .boxed()
    }
}

fn shown(answer: Result<Option<i64>, String>) -> String {
    match answer {
        Ok(Some(value)) => value.to_string(),
        Ok(None) => "-".to_owned(),
        Err(error) => error,
    }
}

fn answered(answer: Result<Option<&i64>, &CallError<&'static str>>) -> String {
    shown(
        answer
            .map(Option::<&i64>::copied)
            .map_err(CallError::to_string),
    )
}

/// Both operators in a harness: for records with a key of their own, and for those under a key.
fn harnesses(calls: Calls<Repeated>, cache: LookupCache, keeps_count: bool) -> [Harness; 2] {
    let by_record = Harness::new(move |replica| {
        let f = |(key, value): (String, i64),
                 answer: Result<Option<&i64>, &CallError<&'static str>>| {
            format!("{key}={value}:{}", answered(answer))
        };
        let look_up = LookUp::new(cache, &calls, replica, ask(keeps_count), f);
        answering(
            Identity::<(String, i64)>::new(),
            &calls,
            replica,
            move |record| look_up.of(KeyHash::of(&record.0), &record.0.clone(), record),
        )
    });
    let by_key = Harness::new(move |replica| {
        let f = |value: i64, answer: Result<Option<&i64>, &CallError<&'static str>>| {
            format!("{value}:{}", answered(answer))
        };
        let look_up = LookUp::new(cache, &calls, replica, ask(keeps_count), f);
        answering_by_key(&calls, replica, move |hash, key: &String, value: i64| {
            look_up.of(hash, key, value)
        })
    });
    [
        by_record.with_input(entry).with_output(String::clone),
        by_key.with_keyed_input(entry).with_output(show::<String>),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_record_meets_the_answer_to_its_key(
        all in prop_oneof![given(16), given_in_time(16)],
        most in 1..6usize, capacity in 0..5usize, in_order in any::<bool>(), skips in any::<bool>(),
    ) {
        let calls = if in_order { Ordered::up_to(most) } else { Unordered::up_to(most) };
        let calls = if skips { calls.skip_failures() } else { calls };
        let calls = calls
            .with_timeout(SECOND)
            .with_retry(Retry::exponential(Duration::from_millis(10)).up_to(3));
        let cache = LookupCache::up_to(capacity).with_ttl(Duration::from_millis(5));
        let mut expected = String::new();
        for given in &all {
            let Given::Record { key, value, time } = *given else { continue };
            let answer = told(&key.to_string());
            if answer.is_ok() || !skips {
                let shown = shown(answer.map_err(str::to_owned));
                expected += &format!("{key}={value}:{shown}@{time} ");
            }
        }
        // With a place for each key no key is asked for while it is being asked for.
        let [by_record, by_key] = harnesses(calls, cache, capacity >= 3);
        let by_record = if in_order { by_record.in_order() } else { by_record };
        for harness in [by_record, by_key] {
            let harness = harness.telling_waits();
            harness.check(&[&script(&all)], &[&format!("{expected}|")]).unwrap();
        }
    }
}
