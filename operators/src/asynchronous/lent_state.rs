//! Asynchronous calls that read and write the state of their key.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::hash_table;
use millstream_engine::key::KeyHash;
use millstream_engine::state::{State, StateReader, StateWriter};
use millstream_engine::{Error, Result};

use super::ask::{Call, Reply};
use super::keying::{ByKey, KeyLabel};
use super::pool::Slot;
use crate::keyed::{Entry, Key, KeyTable};

/// The state of a key in the hands of an asynchronous call: read and written as if it were the state itself.
///
/// It is the call's alone, across every `.await`: no other call of the key runs meanwhile. When it is dropped, at the
/// latest at the end of the call, the state goes back to its key.
pub struct StateGuard<S: Default> {
    state: S,
    home: Home<S>,
}

/// Where a call leaves the state. One for each slot, used again; never contended, for it is read when the call has
/// ended.
type Home<S> = Arc<Mutex<Option<S>>>;

impl<S: Default> Deref for StateGuard<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

impl<S: Default> DerefMut for StateGuard<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.state
    }
}

impl<S: Default> Drop for StateGuard<S> {
    fn drop(&mut self) {
        let state = mem::take(&mut self.state);
        *self.home.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }
}

impl<S: Default + fmt::Debug> fmt::Debug for StateGuard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

/// A closure that gets its key's state along with the record.
pub(super) struct WithState<K, S, F, Fut> {
    f: F,
    /// The state of each key; none while a call has it.
    table: KeyTable<K, Option<S>>,
    homes: Vec<Home<S>>,
    of: PhantomData<fn() -> Fut>,
}

impl<K: Eq, S, F, Fut> WithState<K, S, F, Fut> {
    pub(super) fn new(f: F) -> Self {
        WithState {
            f,
            table: KeyTable::new(),
            homes: Vec::new(),
            of: PhantomData,
        }
    }
}

impl<K, S, T, F, Fut> Call<ByKey<K, T>> for WithState<K, S, F, Fut>
where
    K: Key,
    S: State + Default + PartialEq,
    T: Send + 'static,
    F: Fn(StateGuard<S>, T) -> Fut + Send,
    Fut: Future<Output: Reply> + Send + 'static,
{
    type Future = Fut;

    const ONE_BY_ONE: bool = true;

    fn begin(&mut self, slot: Slot, label: &KeyLabel<K>, value: T) -> Fut {
        let state = match self.table.place(label.hash, &label.key) {
            hash_table::Entry::Occupied(mut entry) => entry.get_mut().state.take(),
            hash_table::Entry::Vacant(place) => {
                let (hash, key) = (label.hash, label.key.clone());
                place.insert(Entry {
                    hash,
                    key,
                    state: None,
                });
                None
            }
        };
        if self.homes.len() <= slot {
            self.homes.resize_with(slot + 1, Home::default);
        }
        let home = self.homes[slot].clone();
        let state = state.unwrap_or_default();
        (self.f)(StateGuard { state, home }, value)
    }

    fn ended(&mut self, slot: Slot, label: &KeyLabel<K>) -> Result<()> {
        let home = self.homes.get(slot);
        let state =
            home.and_then(|home| home.lock().unwrap_or_else(PoisonError::into_inner).take());
        let state = state.ok_or_else(|| {
            Error::user("a call has ended and its `StateGuard` lives on: drop it before, so that the state is saved")
        })?;
        if let hash_table::Entry::Occupied(mut entry) = self.table.place(label.hash, &label.key) {
            if state == S::default() {
                entry.remove();
            } else {
                entry.get_mut().state = Some(state);
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, writer: &mut StateWriter) -> Result<()> {
        for Entry { hash, key, state } in self.table.iter() {
            // None: a call has it. The engine saves only what nobody works on.
            if let Some(state) = state {
                writer.put(*hash, &(key, state))?;
            }
        }
        Ok(())
    }

    fn restore(&mut self, reader: &StateReader) -> Result<()> {
        for value in reader.values::<(K, S)>() {
            let (key, state) = value?;
            let (hash, state) = (KeyHash::of(&key), Some(state));
            self.table.insert(Entry { hash, key, state });
        }
        Ok(())
    }
}
