//! Look-ups in a service that is slow, fails at first or for good, or does not answer at all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::operators::{CallError, Calls, LookupCache, Repeated, Retry};
use millstream::prelude::*;
use millstream::runtime;

use super::facts::{Fact, LANES, facts, timed};
use crate::seeds::{EverySeed, every_seed};

/// An attempt that takes longer is given up. The service answers sooner, if at all.
const PATIENCE: Duration = Duration::from_micros(300);
const ATTEMPTS: u64 = 3;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Found(u64),
    Nothing,
    Failed,
    TimedOut,
}

/// What is looked up for a record: all lanes ask for all of it.
fn place(fact: &Fact) -> u64 {
    (fact.id % 100 + fact.id / 100) % 6
}

fn answer(place: u64) -> Answer {
    match place {
        2 => Answer::Nothing,
        3 => Answer::Failed,
        5 => Answer::TimedOut,
        _ => Answer::Found(place * place),
    }
}

/// How often the service must be asked for a place before it answers.
fn failures(place: u64) -> u64 {
    match place {
        1 | 2 => 1,
        4 => 2,
        _ => 0,
    }
}

fn is_given_up(place: u64) -> bool {
    matches!(answer(place), Answer::Failed | Answer::TimedOut)
}

/// How often it was asked for each place.
#[derive(Clone, Default)]
struct Service(Arc<Mutex<BTreeMap<u64, u64>>>);

impl Service {
    fn ask(&self, place: u64) -> impl Future<Output = Result<Option<u64>, u64>> + Send + use<> {
        let mut asked = self.0.lock().unwrap();
        let attempt = asked.entry(place).or_default();
        *attempt += 1;
        let fails = *attempt <= failures(place);
        async move {
            let micros = place * 37 % 90 + super::lanes::drawn_now().below(60);
            runtime::sleep(Duration::from_micros(micros)).await;
            match answer(place) {
                _ if fails => Err(place),
                Answer::Found(found) => Ok(Some(found)),
                Answer::Nothing => Ok(None),
                Answer::Failed => Err(place),
                Answer::TimedOut => std::future::pending().await,
            }
        }
    }

    /// For a flow that begins, behind a stop too: there all is asked for again.
    fn anew(&self) -> Self {
        self.take();
        self.clone()
    }

    fn take(&self) -> BTreeMap<u64, u64> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn calls() -> Calls<Repeated> {
    let retry = Retry::exponential(Duration::from_micros(20)).up_to(ATTEMPTS as u32);
    Ordered::up_to(8).with_timeout(PATIENCE).with_retry(retry)
}

/// What came of a record.
type Row = (u64, Answer);

fn row(fact: &Fact, result: Result<Option<&u64>, &CallError<u64>>) -> Row {
    let answer = match result {
        Ok(found) => found.map_or(Answer::Nothing, |found| Answer::Found(*found)),
        Err(CallError::Failed(asked)) => {
            assert_eq!(*asked, place(fact), "the error of another");
            Answer::Failed
        }
        Err(CallError::TimedOut) => Answer::TimedOut,
    };
    (fact.id, answer)
}

/// The rows of each lane and, if it is by key, of each place, in the order in which they came.
fn in_order(rows: impl IntoIterator<Item = (u64, Row)>) -> BTreeMap<(u64, u64), Vec<Row>> {
    let mut all = BTreeMap::<_, Vec<Row>>::new();
    for (key, row) in rows {
        all.entry((row.0 / 100, key)).or_default().push(row);
    }
    all
}

#[test]
fn by_key_each_is_asked_for_once_and_its_records_stay_in_order() {
    let service = Service::default();
    let asked = service.clone();
    let flow: EverySeed<(u64, Row)> = every_seed(move |flow, out| {
        let asked = asked.anew();
        timed(flow)
            .key_by(place)
            .lookup(
                "places",
                calls().skip_failures(),
                LookupCache::up_to(100),
                move |place| asked.ask(place),
                |key, fact, result| {
                    assert_eq!(*key, place(&fact));
                    row(&fact, result)
                },
            )
            .entries()
            .sink("out", out);
    });
    let (given_up, found): (Vec<Fact>, Vec<Fact>) =
        facts().iter().partition(|fact| is_given_up(place(fact)));
    assert!(given_up.len() > 3 && found.len() > 12, "{given_up:?}");
    let expected = found
        .iter()
        .map(|fact| (place(fact), (fact.id, answer(place(fact)))));
    let expected = in_order(expected);
    let mut asked_anew = 0;
    flow.lasting(millis(2)).holds(|rows, run| {
        assert_eq!(in_order(rows), expected);
        assert_eq!((run.late(), run.bad()), (0, given_up.len() as u64));
        for (place, asked) in service.take() {
            if is_given_up(place) {
                assert_eq!(asked % ATTEMPTS, 0, "attempts for {place}");
                // An error is kept for nobody that comes later.
                asked_anew += u64::from(asked > ATTEMPTS);
            } else {
                assert_eq!(asked, failures(place) + 1, "attempts for {place}");
            }
        }
    });
    assert!(asked_anew > 100, "{asked_anew}");
}

/// So few are kept that they make room for each other; what fails comes out too.
#[test]
fn without_keys_each_record_has_its_answer_in_its_place() {
    let flow: EverySeed<Row> = every_seed(|flow, out| {
        let asked = Service::default();
        timed(flow)
            .lookup(
                "places",
                calls(),
                LookupCache::up_to(2),
                place,
                move |place| asked.ask(place),
                |fact, result| row(&fact, result),
            )
            .sink("out", out);
    });
    let without_key = |rows: Vec<Row>| in_order(rows.into_iter().map(|row| (0, row)));
    let expected = facts().into_iter();
    let expected = expected.map(|fact| (fact.id, answer(place(&fact))));
    let expected = without_key(expected.collect());
    assert_eq!(expected.len() as u64, LANES);
    flow.lasting(millis(2)).holds(|rows, run| {
        assert_eq!(without_key(rows), expected);
        assert_eq!((run.late(), run.bad()), (0, 0));
    });
}
