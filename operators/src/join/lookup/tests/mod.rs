use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};
use std::task::Poll;

use futures::FutureExt;
use millstream_engine::runtime;

use super::cache::{Answer, Answers, Asking};
use super::*;
use crate::asynchronous::{Attempts, Ordered, Retry};
use crate::rate::RateLimit;

mod naive;

/// A service that counts its calls. Even numbers are there, odd ones are not, and those from 100 fail.
#[derive(Clone, Default)]
struct Service(Arc<AtomicUsize>);

impl Service {
    fn ask(&self, n: u32) -> impl Future<Output = Result<Option<u32>, String>> + use<> {
        self.0.fetch_add(1, Atomic::Relaxed);
        let answer = self.answer(n);
        async move {
            runtime::sleep(Duration::from_millis(10)).await;
            answer
        }
    }

    fn answer(&self, n: u32) -> Result<Option<u32>, String> {
        match n {
            100.. => Err(format!("no {n}")),
            n if n % 2 == 0 => Ok(Some(n * 10)),
            _ => Ok(None),
        }
    }

    fn calls(&self) -> usize {
        self.0.load(Atomic::Relaxed)
    }
}

type Known = Answers<u32, u32, String>;

/// Those of the first of two replicas.
fn known<R>(cache: LookupCache, calls: Calls<R>) -> Known {
    Answers::new(cache, Attempts::new(&calls, 0, 2))
}

fn once(cache: LookupCache) -> Known {
    known(cache, Ordered::up_to(1))
}

impl Known {
    fn ask(&self, n: u32, service: &Service) -> Asking<u32, String> {
        let service = service.clone();
        self.to(KeyHash::of(&n), &n, &move |n| service.ask(n))
    }
}

fn said(answer: &Answer<u32, String>) -> Result<Option<u32>, CallError<String>> {
    answer.result.clone()
}

/// Asks for these keys, one after the other; says how many calls that took.
async fn ask_each(answers: &Known, service: &Service, keys: &[u32]) -> usize {
    let before = service.calls();
    for &key in keys {
        let answer = answers.ask(key, service).await;
        assert_eq!(
            said(&answer),
            service.answer(key).map_err(CallError::Failed)
        );
    }
    service.calls() - before
}

#[test]
fn what_is_known_is_not_asked_again_until_it_is_old() {
    runtime::simulate(1, async {
        let service = Service::default();
        let settings = LookupCache::up_to(10)
            .with_ttl(Duration::from_secs(5))
            .with_negative_ttl(Duration::from_secs(1));
        let answers = once(settings);
        assert_eq!(ask_each(&answers, &service, &[2, 3, 2, 3, 4, 2]).await, 3);
        runtime::sleep(Duration::from_secs(2)).await;
        assert_eq!(
            ask_each(&answers, &service, &[2, 3, 4, 3]).await,
            1,
            "3 alone is old"
        );
        runtime::sleep(Duration::from_secs(4)).await;
        assert_eq!(ask_each(&answers, &service, &[2, 4, 2]).await, 2);
        assert_eq!(
            ask_each(&answers, &service, &[101, 101]).await,
            2,
            "errors are not kept"
        );
    })
    .unwrap();
}

#[test]
fn many_who_ask_for_a_key_make_one_call() {
    runtime::simulate(1, async {
        let service = Service::default();
        let answers = once(LookupCache::up_to(10));
        let all: Vec<_> = (0..100)
            .map(|n| answers.ask([2, 7, 103][n % 3], &service))
            .collect();
        let all = futures::future::join_all(all).await;
        assert_eq!(service.calls(), 3);
        for (n, answer) in all.iter().enumerate() {
            let expected = [
                Ok(Some(20)),
                Ok(None),
                Err(CallError::Failed("no 103".to_owned())),
            ];
            assert_eq!(said(answer), expected[n % 3]);
        }
    })
    .unwrap();
}

#[test]
fn a_full_cache_lets_go_of_what_was_not_used() {
    runtime::simulate(1, async {
        let service = Service::default();
        let answers = once(LookupCache::up_to(3));
        ask_each(&answers, &service, &[0, 2, 4, 0, 4]).await;
        assert_eq!(ask_each(&answers, &service, &[6]).await, 1);
        assert_eq!(
            ask_each(&answers, &service, &[0, 4, 6]).await,
            0,
            "2 had to go"
        );
        assert_eq!(ask_each(&answers, &service, &[2]).await, 1);
        // What is in flight stays; the others go without a place.
        let slow: Vec<_> = (20..40).map(|n| answers.ask(n, &service)).collect();
        let mut again = answers.ask(20, &service);
        assert!((&mut again).now_or_never().is_none());
        let before = service.calls();
        futures::future::join_all(slow).await;
        again.await;
        assert_eq!(service.calls(), before + 19, "20 was being asked for");
    })
    .unwrap();
}

#[test]
fn an_answer_that_is_known_is_there_at_once() {
    runtime::simulate(1, async {
        let service = Service::default();
        let answers = once(LookupCache::up_to(3));
        answers.ask(2, &service).await;
        let mut known = answers.ask(2, &service);
        let polled = futures::poll!(&mut known);
        assert!(matches!(polled, Poll::Ready(answer) if said(&answer) == Ok(Some(20))));
    })
    .unwrap();
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn all_who_wait_for_a_call_wait_for_its_attempts() {
    runtime::simulate(1, async {
        let calls = Ordered::up_to(9).with_retry(Retry::exponential(SECOND).up_to(3));
        let (answers, service) = (known(LookupCache::up_to(9), calls), Service::default());
        let all = || futures::future::join_all((0..50).map(|_| answers.ask(103, &service)));
        let failed = || Err(CallError::Failed("no 103".to_owned()));
        let start = runtime::now();
        assert!(all().await.iter().all(|answer| said(answer) == failed()));
        assert_eq!(service.calls(), 3);
        // Two pauses, of one second and two, or a half of each.
        let took = runtime::now() - start;
        assert!(took > SECOND && took < 4 * SECOND, "{took:?}");
        all().await;
        assert_eq!(service.calls(), 6, "an error is not kept");
    })
    .unwrap();
}

#[test]
fn each_attempt_has_its_own_time() {
    runtime::simulate(1, async {
        // The first two calls never answer.
        let calls = AtomicUsize::new(0);
        let ask = Arc::new(move |n: u32| {
            let hangs = calls.fetch_add(1, Atomic::Relaxed) < 2;
            async move {
                match hangs {
                    true => std::future::pending().await,
                    false => Ok(Some(n)),
                }
            }
        });
        let ask = move |n| ask(n);
        let timed = Ordered::up_to(9).with_timeout(SECOND);
        let answers = known(LookupCache::up_to(1), timed);
        let to = |answers: &Known, n: u32| answers.to(KeyHash::of(&n), &n, &ask);
        let (first, second) = (to(&answers, 1), to(&answers, 1));
        assert_eq!(said(&*first.await), Err(CallError::TimedOut));
        assert_eq!(said(&*second.await), Err(CallError::TimedOut));
        let retried = timed.with_retry(Retry::exponential(SECOND).up_to(2));
        let answers = known(LookupCache::up_to(1), retried);
        assert_eq!(said(&*to(&answers, 1).await), Ok(Some(1)));
    })
    .unwrap();
}

#[test]
fn a_rate_counts_calls_and_attempts_but_no_record_whose_answer_is_known() {
    runtime::simulate(1, async {
        // Two replicas share it: this one makes a call a second.
        let calls = Ordered::up_to(9)
            .with_rate_limit(RateLimit::per_second(2))
            .with_retry(Retry::exponential(Duration::ZERO).up_to(2));
        let (answers, service) = (known(LookupCache::up_to(9), calls), Service::default());
        let start = runtime::now();
        let mut seconds = Vec::new();
        for n in [2, 2, 2, 4, 2, 4, 103, 2] {
            answers.ask(n, &service).await;
            seconds.push((runtime::now() - start).as_millis() / 1_000);
        }
        assert_eq!(seconds, [0, 0, 0, 1, 1, 1, 3, 3]);
    })
    .unwrap();
}
