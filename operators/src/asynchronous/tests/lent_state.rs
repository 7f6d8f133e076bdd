//! Calls with the state of their key.

use std::collections::BTreeMap;
use std::sync::Mutex;

use millstream_engine::harness::saved;
use millstream_engine::key::KeyHash;

use super::super::keying::KeyLabel;
use super::super::lent_state::WithState;
use super::*;

type Counted = (u64, i64);

/// How many of its key came so far, and what they come to; the third of a key empties its state.
fn next(state: &mut Counted, value: i64) -> String {
    *state = (state.0 + 1, state.1 * 2 + value);
    let result = format!("{}:{}", state.0, state.1);
    if state.0 == 3 {
        *state = Counted::default();
    }
    result
}

async fn count(mut state: StateGuard<Counted>, value: i64) -> Result<String, Infallible> {
    let before = *state;
    state.1 = -1;
    runtime::sleep(Duration::from_millis(value.unsigned_abs() * 7 % 5)).await;
    assert_eq!(state.1, -1, "somebody else has written");
    *state = before;
    Ok(next(&mut state, value))
}

fn counting(most: usize) -> Harness {
    let call = || WithState::<String, Counted, _, _>::new(count);
    operator::<ByKey<String, i64>, _, _>(Unordered::up_to(most), OnFailure::Skip, call)
        .with_keyed_input(entry)
        .with_output(show::<String>)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_record_finds_what_the_one_before_left(all in given_in_time(20), most in 1..6usize) {
        let mut states: BTreeMap<char, Counted> = BTreeMap::new();
        let mut expected: BTreeMap<char, Vec<String>> = BTreeMap::new();
        for given in &all {
            if let Given::Record { key, value, time } = *given {
                let result = next(states.entry(key).or_default(), value);
                expected.entry(key).or_default().push(format!("{key}={result}@{time}"));
            }
        }
        let harness = counting(most);
        let every: Vec<_> = expected.values().flatten().map(String::as_str).collect();
        harness.check(&[&script(&all)], &[&format!("{} |", every.join(" "))]).unwrap();
        let output = harness.outcome(&[&script(&all)]).unwrap().outputs[0].to_string();
        for (key, of_key) in expected {
            let got: Vec<_> = output.split(' ').filter(|item| item.starts_with(key)).collect();
            prop_assert_eq!(got, of_key, "out of order");
        }
    }
}

#[test]
fn a_busy_key_holds_up_nobody_but_itself_nor_time() {
    // `a=2` takes 4 ms, `b=3` one.
    let outcome = counting(9).outcome(&["a=2@1 a=2@2 b=3@3 b=3@4 ^4 |"]);
    let output: Script = "b=1:3@3 b=2:9@4 a=1:2@1 ^2 a=2:6@2 ^4 |".parse().unwrap();
    let got = outcome.unwrap().outputs[0].clone();
    let items = |script: &Script| {
        let text = script.to_string();
        text.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    // `^1` and so on may come between.
    let records = |script: &Script| -> Vec<String> {
        items(script)
            .into_iter()
            .filter(|item| !item.starts_with('^'))
            .collect()
    };
    assert_eq!(records(&got), records(&output));
    let place = |what: &str| items(&got).iter().position(|item| item == what);
    assert!(place("^4") > place("a=2:6@2"), "{got}");
}

#[test]
fn a_failed_call_leaves_what_it_has_written_and_is_made_again() {
    let call = || {
        WithState::<String, u64, _, _>::new(|mut tries: StateGuard<u64>, value: i64| async move {
            *tries += 1;
            if *tries < 3 {
                return Err("not yet");
            }
            if value == 9 {
                std::future::pending::<()>().await;
            }
            Ok(*tries)
        })
    };
    let second = Duration::from_secs(1);
    let calls = Ordered::up_to(4)
        .with_timeout(second)
        .with_retry(Retry::exponential(second).up_to(3));
    operator::<ByKey<String, i64>, _, _>(calls, OnFailure::GiveBack, call)
        .with_keyed_input(entry)
        .with_output(show::<u64>)
        .with_output(|failed: &Keyed<String, FailedCall<i64, &str>>| {
            format!(
                "{}={}x{}",
                failed.key, failed.value.record, failed.value.attempts
            )
        })
        .check(
            &["a=1@1 a=1@2 b=9@3 b=1@4 |"],
            &["a=3@1 a=4@2 b=4@4 |", "b=9x3@3 |"],
        )
        .unwrap();
}

/// The state of keys, as a snapshot has it, after calls in which `f` works on it.
fn kept(
    f: fn(StateGuard<Vec<i64>>, i64) -> bool,
    values: &[i64],
) -> Result<usize, millstream_engine::Error> {
    let f = move |state, value| std::future::ready(Ok::<_, Infallible>(f(state, value)));
    let mut call = WithState::<i64, Vec<i64>, _, _>::new(f);
    for &value in values {
        let label = KeyLabel {
            hash: KeyHash::of(&(value % 10)),
            key: value % 10,
        };
        let future = Call::<ByKey<i64, i64>>::begin(&mut call, 3, &label, value);
        drop(future);
        Call::<ByKey<i64, i64>>::ended(&mut call, 3, &label)?;
    }
    let state = saved(8, |writer| {
        Call::<ByKey<i64, i64>>::snapshot(&mut call, writer)
    })?;
    Ok(state.shards.values().map(Vec::len).sum())
}

#[test]
fn a_key_whose_state_is_the_default_is_forgotten() {
    let push_or_clear = |mut state: StateGuard<Vec<i64>>, value: i64| {
        if value < 10 {
            state.push(value)
        } else {
            state.clear()
        }
        true
    };
    assert!(kept(push_or_clear, &[1, 2, 3]).unwrap() > 0);
    assert_eq!(kept(push_or_clear, &[1, 2, 1, 11, 12]).unwrap(), 0);
    assert_eq!(kept(|state, _| state.is_empty(), &[1, 2]).unwrap(), 0);
}

#[test]
fn a_state_that_is_not_given_back_is_told() {
    fn keep(state: StateGuard<Vec<i64>>, _: i64) -> bool {
        static KEPT: Mutex<Vec<StateGuard<Vec<i64>>>> = Mutex::new(Vec::new());
        KEPT.lock().unwrap().push(state);
        true
    }
    let told = kept(keep, &[1]).unwrap_err().to_string();
    assert!(told.contains("`StateGuard` lives on"), "{told}");
}
