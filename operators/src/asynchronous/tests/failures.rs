//! What becomes of calls that fail, take too long, or come too often.

use std::collections::BTreeMap;
use std::sync::Mutex;

use millstream_engine::runtime::Instant;

use super::*;
use crate::rate::RateLimit;

/// When each question was asked.
type Asked = Arc<Mutex<BTreeMap<String, Vec<Instant>>>>;

/// `b3` fails three times before it is answered, `x` always, `h2` hangs twice.
fn flaky(asked: &Asked, calls: Calls<Repeated>, on_failure: OnFailure<&'static str>) -> Harness {
    let asked = asked.clone();
    let call = move || {
        let asked = asked.clone();
        // A harness plays many times, each with operators of its own: each has its own count.
        let counts: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
        Ask::new(move |question: String| {
            let all = &mut *asked.lock().unwrap();
            all.entry(question.clone())
                .or_default()
                .push(runtime::now());
            let mut counts = counts.lock().unwrap();
            let before = counts.entry(question.clone()).or_default();
            *before += 1;
            let times = question[1..].parse().unwrap_or(u32::MAX);
            let (fails, hangs) = (*before <= times, question.starts_with('h'));
            async move {
                match (fails, hangs) {
                    (false, _) => Ok(question.to_uppercase()),
                    (true, false) => Err("not today"),
                    (true, true) => std::future::pending().await,
                }
            }
        })
    };
    operator::<Plain<String>, _, _>(calls, on_failure, call)
        .with_input(str::to_owned)
        .with_output(String::clone)
        .with_output(|failed: &FailedCall<String, &str>| {
            let error = failed.error.to_string().replace(' ', "_");
            format!("{}:{}:{error}", failed.record, failed.attempts)
        })
        .in_order()
}

const SECOND: Duration = Duration::from_secs(1);

fn thrice(calls: Calls) -> Calls<Repeated> {
    calls
        .with_timeout(SECOND)
        .with_retry(Retry::exponential(SECOND).up_to(3))
}

#[test]
fn failed_calls_are_repeated_then_given_back_in_order() {
    let calls = thrice(Ordered::up_to(9));
    flaky(&Asked::default(), calls, OnFailure::GiveBack)
        .check(
            &["a0@1 b2@2 b3@3 x@4 h2@5 h3@6 a0@7 ^7 |"],
            &[
                "A0@1 B2@2 H2@5 A0@7 |",
                "b3:3:not_today@3 x:3:not_today@4 h3:3:it_took_longer_than_its_timeout@6 |",
            ],
        )
        .unwrap();
}

#[test]
fn skipped_ones_are_left_out() {
    let calls = thrice(Ordered::up_to(9));
    flaky(&Asked::default(), calls, OnFailure::Skip)
        .check(&["x@1 a0@2 h3@3 ^3 |"], &["A0@2 |", "|"])
        .unwrap();
}

#[test]
fn the_operator_fails_with_the_cause() {
    let fail = |question: &str, calls| {
        let harness = flaky(&Asked::default(), calls, OnFailure::Fail(Into::into));
        let outcome = harness.outcome(&[&format!("a0@1 {question}@2 |")]);
        outcome.unwrap_err().to_string()
    };
    let told = fail("x", thrice(Ordered::up_to(9)));
    assert!(
        told.ends_with("a call failed 3 times, the last time: not today"),
        "{told}"
    );
    let told = fail(
        "h9",
        thrice(Ordered::up_to(9)).with_retry(Retry::exponential(SECOND).up_to(1)),
    );
    assert!(
        told.ends_with("a call failed: it took longer than its timeout"),
        "{told}"
    );
}

#[test]
fn pauses_double_and_are_drawn() {
    let asked = Asked::default();
    let calls = Ordered::up_to(9).with_retry(Retry::exponential(SECOND).up_to(4));
    // What a single play does: the clock of the next begins anew.
    let harness = flaky(&asked, calls, OnFailure::Skip);
    harness.outcome(&["x@1 |"]).unwrap();
    let asked = asked.lock().unwrap();
    let first: Vec<_> = asked["x"].iter().take(4).collect();
    let pauses: Vec<_> = first.windows(2).map(|two| two[1].since(*two[0])).collect();
    for (pause, whole) in pauses.iter().zip([SECOND, 2 * SECOND, 4 * SECOND]) {
        let slack = Duration::from_millis(1);
        assert!(*pause >= whole / 2 && *pause <= whole + slack, "{pauses:?}");
        assert_ne!(*pause, whole);
    }
    // Every play of the same mode drew the same.
    assert_eq!(asked["x"][..4], asked["x"][4..8]);
}

/// The clock of a simulation runs a little with each poll; apart from that the rate is exact.
#[test]
fn calls_begin_no_faster_than_their_rate() {
    let asked = Asked::default();
    let rate = RateLimit::per_second(10).with_burst(3);
    let calls = Ordered::up_to(50)
        .with_rate_limit(rate)
        .with_retry(Retry::exponential(SECOND / 100));
    let harness = flaky(&asked, calls, OnFailure::Skip);
    let text: Vec<_> = (0..20).map(|n| format!("b1@{n}")).collect();
    harness.outcome(&[&text.join(" ")]).unwrap();
    // One was repeated, with a token of its own.
    let asked = asked.lock().unwrap();
    let times: Vec<_> = asked["b1"]
        .iter()
        .take(21)
        .map(|at| at.as_nanos() / 1_000_000)
        .collect();
    let mut expected = vec![0, 0, 0];
    expected.extend((1..=18).map(|n| n * 100));
    let off: Vec<_> = times
        .iter()
        .zip(&expected)
        .map(|(a, b)| a.abs_diff(*b))
        .collect();
    assert!(off.iter().all(|off| *off <= 2), "{times:?}");
}
