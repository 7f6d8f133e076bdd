use std::ops::Range;

use millstream_engine::batch::{AnyBatch, Batch, Record as Timed};
use millstream_engine::harness::{Harness, Item, saved};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::runtime::Instant;
use millstream_engine::state::{StateReader, VertexState};
use proptest::prelude::*;

use super::operator::TABLE;
use super::table::Table;
use super::*;
use crate::join::testing::{Came, came, or_dash};
use crate::keyed::AT_ONCE;
use crate::testing::{at, collect, entry, given_in_time, given_within, outbox, script};

/// Reads `key=value`, or `key=-` for a key that is taken out.
fn update(text: &str) -> (String, Option<i64>) {
    match text.strip_suffix("=-") {
        Some(key) => (key.to_owned(), None),
        None => {
            let (key, value) = entry(text);
            (key, Some(value))
        }
    }
}

type Record = (String, i64);

fn harness(settings: BroadcastTable) -> Harness {
    Harness::new(move |replica| {
        let closures = Closures {
            key_of: |record: &Record| record.0.clone(),
            result_of: |(key, value): Record, found: Option<&i64>| {
                format!("{key}{value}:{}", or_dash(found))
            },
        };
        TableJoin::<Record, String, i64, _, _>::new(
            settings,
            closures,
            replica.index,
            replica.parallelism,
        )
    })
    .with_input(entry)
    .with_input(update)
    .with_output(String::clone)
    .telling_waits()
}

#[test]
fn records_wait_until_the_table_has_ended() {
    let settings = BroadcastTable::up_to(9, TableLoad::AtEnd);
    harness(settings)
        .check(
            &["a=1@1 b=2@2 c=3@3 |", "a=7 b=8 a=9 b=- |"],
            &["a1:9@1 b2:-@2 c3:-@3 |"],
        )
        .unwrap();
}

#[test]
fn time_waits_with_the_records() {
    let settings = BroadcastTable::up_to(9, TableLoad::AtEnd);
    // In turn, item by item: both watermarks have come to 9 before the table ends.
    harness(settings)
        .check(
            &["a=1@5 ^9 b=2@9 ^12 |", "a=7@1 ^9 a=8@9 |"],
            &["^5 a1:8@5 b2:-@9 ^9 ^12 |"],
        )
        .unwrap();
}

#[test]
fn a_table_that_goes_on_has_loaded_at_a_moment() {
    let settings = BroadcastTable::up_to(9, TableLoad::At(at(10)));
    harness(settings)
        .check(
            &["a=1@12 ^14 ^20", "a=7@3 ^9 ^11 ^20"],
            &["^9 a1:7@12 ^11 ^20"],
        )
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// No record is late for a table: those the watermark has passed wait with the others, and are answered.
    #[test]
    fn joins_with_a_table_that_ends_equal_the_naive_ones_in_every_mode_and_order(
        left in prop_oneof![given_within(13, 9), given_in_time(12)],
        table in prop_oneof![given_within(13, 9), given_in_time(12)],
    ) {
        let model = |told: &[_]| {
            let (rows, records): (Vec<_>, Vec<_>) =
                came(told).into_iter().partition(|record| record.input == 1);
            let answer = |Came { key, value, time, .. }: Came| {
                let found = rows.iter().rev().find(|row| row.key == key).map(|row| row.value);
                format!("{key}{value}:{}@{time} ", or_dash(found))
            };
            (vec![records.into_iter().map(answer).collect::<String>() + "|"], 0)
        };
        let settings = BroadcastTable::up_to(3, TableLoad::AtEnd);
        harness(settings).check_against(&[&script(&left), &script(&table)], model).unwrap();
    }

    /// From the moment the table has loaded, a record meets what has come by then; those that came before meet what
    /// had come by that moment.
    #[test]
    fn joins_with_a_table_that_goes_on_equal_the_naive_ones_in_every_mode_and_order(
        left in prop_oneof![given_within(13, 9), given_in_time(12)],
        table in prop_oneof![given_within(13, 9), given_in_time(12)],
        moment in -20..20i64,
    ) {
        let model = |told: &[(usize, Item)]| {
            let is_loaded = |(input, item): &(usize, Item)| match item {
                Item::Watermark(time) => *time >= at(moment),
                Item::End => *input == 1,
                _ => false,
            };
            let loaded = told.iter().position(is_loaded).unwrap();
            let mut results = String::new();
            for (place, (input, item)) in told.iter().enumerate() {
                let Item::Record(text, time) = item else { continue };
                if *input == 0 {
                    let (key, value) = entry(text);
                    let rows = came(&told[..place.max(loaded)]);
                    let mut rows = rows.iter().rev().filter(|row| row.input == 1);
                    let found = rows.find(|row| key == row.key.to_string()).map(|row| row.value);
                    results += &format!("{key}{value}:{}@{} ", or_dash(found), time.as_micros());
                }
            }
            (vec![results + "|"], 0)
        };
        let settings = BroadcastTable::up_to(3, TableLoad::At(at(moment)));
        harness(settings).check_against(&[&script(&left), &script(&table)], model).unwrap();
    }
}

#[test]
fn keys_that_are_not_updated_are_forgotten() {
    let settings = BroadcastTable::up_to(9, TableLoad::AtOnce).with_ttl(Duration::from_micros(10));
    let mut table = Table::new(settings);
    for (key, value, now) in [("a", 1, 0), ("b", 2, 0), ("c", 3, 4), ("a", 4, 5)] {
        table.update(key.to_owned(), Some(value), at(now)).unwrap();
    }
    table.update("c".to_owned(), None, at(6)).unwrap();
    let mut now = 6;
    let mut seen = Vec::new();
    while let Some(timer) = table.next_timer() {
        assert!(timer > at(now), "a timer that is due again is not done");
        now = timer.as_micros();
        assert_eq!(table.forget(timer), Step::Done);
        let found = ["a", "b", "c"].map(|key| or_dash(table.get(&key.to_owned())));
        seen.push((now, found.concat()));
    }
    seen.dedup_by_key(|(_, found)| found.clone());
    assert_eq!(seen, [(11, "4--".to_owned()), (16, "---".to_owned())]);
}

#[test]
fn many_keys_are_forgotten_in_steps() {
    const KEYS: usize = 3 * AT_ONCE;
    let settings =
        BroadcastTable::up_to(KEYS, TableLoad::AtOnce).with_ttl(Duration::from_micros(10));
    let mut table = Table::new(settings);
    for key in 0..KEYS {
        table.update(key, Some(key), at(0)).unwrap();
    }
    for step in 1..4 {
        assert_eq!(table.forget(at(100)), Step::More);
        assert_eq!(table.iter().count(), KEYS - step * AT_ONCE);
    }
    assert_eq!(table.forget(at(100)), Step::Done);
}

#[test]
fn too_many_keys_or_waiting_records_stop_the_flow() {
    let settings = BroadcastTable::up_to(2, TableLoad::AtEnd);
    let error = harness(settings)
        .outcome(&["|", "a=1 b=2 c=3 |"])
        .unwrap_err();
    assert!(error.to_string().contains("more than 2 keys"), "{error}");
    let settings = settings.with_waiting_up_to(2);
    let error = harness(settings)
        .outcome(&["a=1 b=2 c=3 |", "a=1 |"])
        .unwrap_err();
    assert!(
        error.to_string().contains("2 records wait for its table"),
        "{error}"
    );
}

/// One that lets so many records wait.
fn waiting_up_to(
    most: usize,
    index: usize,
    parallelism: usize,
) -> TableJoin<Record, String, i64, impl Fn(&Record) -> String, impl Fn(Record, Option<&i64>) -> i64>
{
    let closures = Closures {
        key_of: |record: &Record| record.0.clone(),
        result_of: |(_, value): Record, _: Option<&i64>| value,
    };
    let settings = BroadcastTable::up_to(1, TableLoad::AtEnd).with_waiting_up_to(most);
    TableJoin::new(settings, closures, index, parallelism)
}

#[test]
fn what_waited_in_many_replicas_waits_in_fewer() {
    const EACH: i64 = 10;
    let mut out = outbox::<i64>();
    let records = |values: Range<i64>| {
        let mut batch = Batch::new(Instant::from_nanos(0));
        batch.records.extend(values.map(|value| Timed {
            time: at(value),
            value: ("a".to_owned(), value),
        }));
        AnyBatch::new(batch)
    };
    let mut whole = VertexState::default();
    for index in 0..3 {
        let mut replica = waiting_up_to(12, index as usize, 3);
        let own = index * EACH..(index + 1) * EACH;
        replica.on_batch(0, &mut records(own), &mut out).unwrap();
        let state = saved(4, |state| replica.snapshot(state)).unwrap();
        whole.pieces.extend(state.pieces);
    }
    let mut alone = waiting_up_to(12, 0, 1);
    alone.restore(&StateReader::new(&whole, 4, 0, 1)).unwrap();
    let more = alone.on_batch(0, &mut records(0..1), &mut out).unwrap_err();
    assert!(more.to_string().contains("30 records wait"), "{more}");
    assert_eq!(alone.on_input_end(TABLE, &mut out).unwrap(), Step::Done);
    let (mut answered, _) = collect::<i64>(&mut out);
    answered.sort_unstable();
    assert_eq!(answered, (0..3 * EACH).collect::<Vec<_>>());
}
