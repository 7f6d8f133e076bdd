//! Tables that answer at once, and such as forget. Updates and records are due at times far enough apart that it is known
//! which update a record finds.

use std::time::Duration;

use millstream::operators::{BroadcastTable, TableLoad};
use millstream::prelude::*;

use super::facts::{Fact, LANES, of_lane};
use super::lanes::Lanes;
use crate::seeds::every_seed;

/// Key, value, and when it is due in milliseconds. Those of a key are of one lane.
type Update = (u64, Option<u64>, u64);

const TTL: u64 = 230;

fn update(n: u64) -> Update {
    (n % 3, (n % 5 != 4).then_some(n), 100 + n * 100)
}

fn updates() -> [Vec<Update>; 2] {
    [0, 1].map(|lane| (0..6).map(update).filter(|of| of.0 % 2 == lane).collect())
}

/// Some come before any update, some long behind the last one.
fn due(fact: &Fact) -> u64 {
    50 + fact.id / 100 * 7 + fact.id % 100 * 200
}

fn records() -> Vec<Vec<Fact>> {
    let first = |lane| of_lane(lane)[..5].to_vec();
    (0..LANES).map(first).collect()
}

/// From which table, the record, and what was found.
type Row = (&'static str, u64, Option<u64>);

fn naive() -> Vec<Row> {
    let mut rows = Vec::new();
    let (mut removed, mut forgotten) = (0, 0);
    for fact in records().concat() {
        let so_far = (0..6).map(update);
        let so_far = so_far.filter(|update| update.0 == fact.key && update.2 < due(&fact));
        let last = so_far.max_by_key(|update| update.2);
        let value = last.and_then(|update| update.1);
        let recent = last.filter(|update| due(&fact) < update.2 + TTL);
        let remembered = recent.and_then(|update| update.1);
        removed += u64::from(last.is_some() && value.is_none());
        forgotten += u64::from(value != remembered);
        rows.push(("kept", fact.id, value));
        rows.push(("forgetful", fact.id, remembered));
    }
    let found = rows.iter().filter(|row| row.2.is_some()).count();
    assert!(
        removed > 0 && forgotten > 1 && found > 5,
        "{removed} {forgotten} {found}"
    );
    rows
}

#[test]
fn what_is_there_when_a_record_comes() {
    every_seed(|flow, out| {
        let records = Lanes::new(records()).due_at(|fact| millis(due(fact)));
        let updates = Lanes::new(updates().into()).due_at(|update: &Update| millis(update.2));
        let records = flow.source("facts", records);
        let updates = flow
            .source("updates", updates)
            .map(|(key, value, _)| (key, value))
            .erase();
        let at_once = BroadcastTable::up_to(9, TableLoad::AtOnce);
        let join = |name: &'static str, settings| {
            records.clone().join_table(
                name,
                updates.clone(),
                settings,
                |fact| fact.key,
                move |fact, found| (name, fact.id, found.copied()),
            )
        };
        let kept = join("kept", at_once);
        let forgetful = join("forgetful", at_once.with_ttl(millis(TTL)));
        kept.union(forgetful).sink("out", out);
    })
    .lasting(Duration::from_millis(900))
    .gives(naive());
}

/// A replica whose records have ended takes no part in a stop; what it knew the others know too.
#[test]
fn it_is_saved_though_some_replicas_have_ended() {
    every_seed(|flow, out| {
        let of_lane = |lane: u64| (0..3).map(|n| lane * 300 + n * 100).collect();
        let records = Lanes::new((0..3).map(of_lane).collect());
        let records = flow.source("records", records.due_at(|due| millis(*due)));
        let table = flow.source("table", Lanes::new(vec![vec![7]]));
        records
            .map(|due| (due, 7))
            .join_table(
                "table-join",
                table.map(|key| (key, Some(key + 1))),
                BroadcastTable::up_to(9, TableLoad::AtEnd),
                |(_, key)| *key,
                |(due, _), found| (due, found.copied()),
            )
            .sink("out", out);
    })
    .under(100)
    .lasting(millis(700))
    .always_stopped()
    .gives((0..9).map(|n| (n * 100, Some(8))).collect());
}
