use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures::FutureExt;
use millstream_engine::runtime;

use super::cache::Answer;
use super::*;

/// A service that counts its calls. Even numbers are there, odd ones are not, and those from 100 fail.
#[derive(Clone, Default)]
struct Service(Arc<AtomicUsize>);

impl Service {
    fn ask(&self, n: u32) -> impl Future<Output = Result<Option<u32>, String>> + use<> {
        self.0.fetch_add(1, Ordering::Relaxed);
        async move {
            runtime::sleep(Duration::from_millis(10)).await;
            match n {
                100.. => Err(format!("no {n}")),
                n if n % 2 == 0 => Ok(Some(n * 10)),
                _ => Ok(None),
            }
        }
    }

    fn calls(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

type Known = Answers<u32, u32, String>;

fn said(answer: &Answer<u32, String>) -> Result<Option<u32>, String> {
    answer.result.clone()
}

/// Asks for these keys, one after the other; says how many calls that took.
async fn ask_each(answers: &Known, service: &Service, keys: &[u32]) -> usize {
    let before = service.calls();
    for &key in keys {
        let answer = answers.to(key, |n| service.ask(n)).await;
        assert_eq!(said(&answer), service.ask(key).await);
        service.0.fetch_sub(1, Ordering::Relaxed);
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
        let answers = Known::new(settings);
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
        assert_eq!(
            ask_each(&answers.clone(), &service, &[2]).await,
            1,
            "a clone is empty"
        );
    })
    .unwrap();
}

#[test]
fn many_who_ask_for_a_key_make_one_call() {
    runtime::simulate(1, async {
        let service = Service::default();
        let answers = Known::new(LookupCache::up_to(10));
        let all: Vec<_> = (0..100)
            .map(|n| answers.to([2, 7, 103][n % 3], |key| service.ask(key)))
            .collect();
        let all = futures::future::join_all(all).await;
        assert_eq!(service.calls(), 3);
        for (n, answer) in all.iter().enumerate() {
            let expected = [Ok(Some(20)), Ok(None), Err("no 103".to_owned())];
            assert_eq!(said(answer), expected[n % 3]);
        }
    })
    .unwrap();
}

#[test]
fn a_full_cache_lets_go_of_what_was_not_used() {
    runtime::simulate(1, async {
        let service = Service::default();
        let answers = Known::new(LookupCache::up_to(3));
        ask_each(&answers, &service, &[0, 2, 4, 0, 4]).await;
        assert_eq!(ask_each(&answers, &service, &[6]).await, 1);
        assert_eq!(
            ask_each(&answers, &service, &[0, 4, 6]).await,
            0,
            "2 had to go"
        );
        assert_eq!(ask_each(&answers, &service, &[2]).await, 1);
        // What is in flight stays; the others go without a place.
        let slow: Vec<_> = (20..40)
            .map(|n| answers.to(n, |key| service.ask(key)))
            .collect();
        let mut again = answers.to(20, |key| service.ask(key));
        assert!((&mut again).now_or_never().is_none());
        let before = service.calls();
        futures::future::join_all(slow).await;
        again.await;
        assert_eq!(service.calls(), before);
    })
    .unwrap();
}

#[test]
fn an_answer_that_is_known_is_there_at_once() {
    runtime::simulate(1, async {
        let service = Service::default();
        let answers = Known::new(LookupCache::up_to(3));
        answers.to(2, |key| service.ask(key)).await;
        let mut known = answers.to(2, |key| service.ask(key));
        let polled = futures::poll!(&mut known);
        assert!(matches!(polled, Poll::Ready(answer) if said(&answer) == Ok(Some(20))));
    })
    .unwrap();
}

#[test]
fn a_call_that_was_given_up_is_asked_anew_and_makes_room() {
    runtime::simulate(1, async {
        let answers = Known::new(LookupCache::up_to(1));
        let calls = AtomicUsize::new(0);
        // The first call never answers; those behind it do at once.
        let ask = |n: u32| {
            let hangs = calls.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                match hangs {
                    true => std::future::pending().await,
                    false => Ok(Some(n)),
                }
            }
        };
        let (first, second) = (answers.to(1, ask), answers.to(1, ask));
        assert!(
            runtime::timeout(Duration::from_secs(2), first)
                .await
                .is_none()
        );
        assert_eq!(said(&*answers.to(1, ask).await), Ok(Some(1)));
        assert_eq!(said(&*answers.to(1, ask).await), Ok(Some(1)), "it is kept");
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        drop(second);
        assert_eq!(said(&*answers.to(1, ask).await), Ok(Some(1)), "and stays");
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    })
    .unwrap();
}
