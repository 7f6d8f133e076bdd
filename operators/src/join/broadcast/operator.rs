//! The operator of a join with a broadcast table.

use std::collections::VecDeque;

use millstream_engine::batch::AnyBatch;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::state::{State, StateReader, StateWriter};
use millstream_engine::time::{Frontier, Timestamp, Watermark};
use millstream_engine::why::{Explanation, Until, Wait};
use millstream_engine::{Error, Result};

use super::table::Table;
use super::{BroadcastTable, TableLoad};
use crate::keyed::Key;

/// The input of the table.
pub(super) const TABLE: usize = 1;
/// The name of what a replica saves.
const SAVED: &str = "table";

/// Answers records from the table, once that has loaded.
pub(super) struct TableJoin<T, K, V, G, F> {
    table: Table<K, V>,
    settings: BroadcastTable,
    closures: Closures<G, F>,
    loaded: bool,
    waiting: VecDeque<Waiting<T>>,
    /// The lowest time among what waits and was not late: no promise overtakes it.
    lowest: Option<Timestamp>,
    watermark: Option<Watermark>,
    replica: usize,
    parallelism: usize,
}

/// What the user gave.
pub(super) struct Closures<G, F> {
    pub(super) key_of: G,
    pub(super) result_of: F,
}

struct Waiting<T> {
    time: Timestamp,
    is_late: bool,
    record: T,
}

/// What one replica saves: whether the table has loaded, the table, and what waits.
type Saved<K, V, T> = (bool, Vec<(K, V, Timestamp)>, Vec<(Timestamp, bool, T)>);

impl<T: State, K: Key, V: State, G, F> TableJoin<T, K, V, G, F> {
    pub(super) fn new(
        settings: BroadcastTable,
        closures: Closures<G, F>,
        replica: usize,
        parallelism: usize,
    ) -> Self {
        TableJoin {
            table: Table::new(settings),
            settings,
            closures,
            loaded: settings.load == TableLoad::AtOnce,
            waiting: VecDeque::new(),
            lowest: None,
            watermark: None,
            replica,
            parallelism,
        }
    }

    /// Whether one more may wait.
    fn room_to_wait(&self) -> Result<()> {
        if self.waiting.len() < self.settings.most_waiting {
            return Ok(());
        }
        Err(Error::user(format!(
            "{} records wait for its table to load, and here is another: does its stream end? Else say when it has \
             loaded by `TableLoad::At`, or allow for more by `with_waiting_up_to`",
            self.waiting.len()
        )))
    }

    fn wait(&mut self, record: T, time: Timestamp, is_late: bool) {
        if !is_late {
            self.lowest = Some(self.lowest.map_or(time, |lowest| lowest.min(time)));
        }
        self.waiting.push_back(Waiting {
            time,
            is_late,
            record,
        });
    }

    /// Answers what waits, now that the table has loaded.
    fn release<U>(&mut self, out: &mut Outbox) -> Result<Step>
    where
        U: Send + 'static,
        G: Fn(&T) -> K,
        F: Fn(T, Option<&V>) -> U,
    {
        self.loaded = true;
        let port: &mut Port<U> = out.port(0)?;
        while let Some(Waiting { time, record, .. }) = self.waiting.pop_front() {
            let value = self.table.get(&(self.closures.key_of)(&record));
            port.push((self.closures.result_of)(record, value), time);
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        self.waiting = VecDeque::new();
        self.lowest = None;
        Ok(Step::Done)
    }
}

impl<T, K, V, U, G, F> Operator for TableJoin<T, K, V, G, F>
where
    T: State,
    K: Key,
    V: State,
    U: Send + 'static,
    G: Fn(&T) -> K + Send,
    F: Fn(T, Option<&V>) -> U + Send,
{
    fn on_batch(&mut self, input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        if input == TABLE {
            let now = out.processing_time();
            for record in batch.of::<(K, Option<V>)>()?.records.drain(..) {
                let (key, value) = record.value;
                self.table.update(key, value, now)?;
            }
            return Ok(());
        }
        let watermark = self.watermark.map(|watermark| watermark.time);
        let port: &mut Port<U> = out.port(0)?;
        for record in batch.of::<T>()?.records.drain(..) {
            if self.loaded {
                let value = self.table.get(&(self.closures.key_of)(&record.value));
                port.push((self.closures.result_of)(record.value, value), record.time);
            } else {
                let is_late = watermark.is_some_and(|watermark| record.time < watermark);
                self.room_to_wait()?;
                self.wait(record.value, record.time, is_late);
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.watermark = Some(watermark);
        match self.settings.load {
            TableLoad::At(moment) if watermark.time >= moment => self.release(out),
            _ => Ok(Step::Done),
        }
    }

    fn next_timer(&self) -> Option<Timestamp> {
        self.table.next_timer()
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        Ok(self.table.forget(out.processing_time()))
    }

    fn on_input_end(&mut self, input: usize, out: &mut Outbox) -> Result<Step> {
        match input {
            TABLE => self.release(out),
            _ => Ok(Step::Done),
        }
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.release(out)
    }

    fn frontier(&self, input: Frontier) -> Frontier {
        input.held_at(self.lowest, self.watermark)
    }

    fn explain(&self, why: &mut Explanation) {
        if self.waiting.is_empty() {
            return;
        }
        let until = match self.settings.load {
            TableLoad::At(moment) => Until::Watermark(moment),
            _ => Until::InputEnd {
                input: TABLE,
                from: Vec::new(),
            },
        };
        let wait = Wait::new(
            "the record that is answered when the table is loaded",
            until,
        );
        why.waits(wait.first_of(self.waiting.len()));
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        // Any other may have ended before, and saves nothing.
        let rows: Vec<_> = self.table.iter().collect();
        let waiting = self.waiting.iter();
        let waiting: Vec<_> = waiting
            .map(|waits| (waits.time, waits.is_late, &waits.record))
            .collect();
        state.put_piece(SAVED, &(self.loaded, rows, waiting))
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        let (mut number, mut has_table) = (0, false);
        for piece in state.pieces::<Saved<K, V, T>>() {
            let (_, (loaded, rows, waiting)) = piece?;
            self.loaded |= loaded;
            // Every replica has the same table at a barrier.
            if !has_table {
                has_table = !rows.is_empty();
                for (key, value, last) in rows {
                    self.table.set(key, value, last)?;
                }
            }
            for (time, is_late, record) in waiting {
                if number % self.parallelism == self.replica {
                    // However many: of fewer replicas each has more.
                    self.wait(record, time, is_late);
                }
                number += 1;
            }
        }
        Ok(())
    }
}
