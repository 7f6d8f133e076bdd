//! Answers that are known, or being asked for.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use hashbrown::HashTable;
use millstream_engine::key::KeyHash;
use millstream_engine::runtime::{self, Instant};

use super::LookupCache;
use crate::asynchronous::{Attempts, CallError};

/// The answers of one replica.
///
/// An answer is a shared future: it is there for all who ask, before it is known and after. The cell is not for threads
/// but because the closure that asks is called by reference.
pub(super) struct Answers<K, V, E> {
    settings: LookupCache,
    attempts: Arc<Attempts>,
    cache: RefCell<Cache<K, V, E>>,
}

/// What came of a call.
pub(super) struct Answer<V, E> {
    pub(super) result: Result<Option<V>, CallError<E>>,
    /// Until when it is used again; an error never is.
    fresh_until: Option<Instant>,
}

/// A call, for all who wait for its answer.
pub(super) type Asking<V, E> = Shared<BoxFuture<'static, Arc<Answer<V, E>>>>;

/// Entries in a ring, and where they are by key.
///
/// When it is full, the hand goes round to the first entry that was not used since it last came by.
///
/// Source: the clock algorithm of Corbató, *A Paging Experiment with the Multics System*, 1968.
struct Cache<K, V, E> {
    index: HashTable<u32>,
    ring: Vec<Entry<K, V, E>>,
    hand: usize,
}

struct Entry<K, V, E> {
    hash: KeyHash,
    key: K,
    asking: Asking<V, E>,
    used: bool,
}

impl<K, V, E> Answers<K, V, E> {
    pub(super) fn new(settings: LookupCache, attempts: Attempts) -> Self {
        Answers {
            settings,
            attempts: Arc::new(attempts),
            cache: RefCell::new(Cache {
                index: HashTable::new(),
                ring: Vec::new(),
                hand: 0,
            }),
        }
    }
}

impl<K, V, E> Answers<K, V, E>
where
    K: Eq + Clone + Send + 'static,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// The answer to a key: one that is known and fresh, that of the call in flight, or that of a new call.
    pub(super) fn to<C, Fut>(&self, hash: KeyHash, key: &K, call: &C) -> Asking<V, E>
    where
        C: Fn(K) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let mut cache = self.cache.borrow_mut();
        let entry = cache.find(hash, key);
        // Reading the clock for a record is little beside the future that it waits for.
        if let Some(entry) = entry
            && entry.is_usable(runtime::now())
        {
            entry.used = true;
            return entry.asking.clone();
        }
        let asking = self.asked(key.clone(), call.clone());
        match cache.find(hash, key) {
            Some(entry) => entry.asking = asking.clone(),
            None => cache.insert(hash, key.clone(), asking.clone(), self.settings.most),
        }
        asking
    }

    /// A call whose answer can be shared.
    fn asked<C, Fut>(&self, key: K, call: C) -> Asking<V, E>
    where
        C: Fn(K) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let (settings, attempts) = (self.settings, self.attempts.clone());
        let answer = async move {
            let result = attempts.make(move || call(key.clone())).await;
            let fresh_for = match &result {
                Ok(Some(_)) => Some(settings.ttl),
                Ok(None) => Some(settings.negative_ttl.unwrap_or(settings.ttl)),
                Err(_) => None,
            };
            Arc::new(Answer {
                fresh_until: fresh_for.map(|fresh_for| runtime::now() + fresh_for),
                result,
            })
        };
        answer.boxed().shared()
    }
}

impl<K, V, E> Entry<K, V, E> {
    fn is_in_flight(&self) -> bool {
        self.asking.peek().is_none()
    }

    fn is_usable(&self, now: Instant) -> bool {
        let answer = self.asking.peek();
        answer.is_none_or(|answer| answer.fresh_until.is_some_and(|until| now < until))
    }
}

impl<K: Eq, V, E> Cache<K, V, E> {
    fn find(&mut self, hash: KeyHash, key: &K) -> Option<&mut Entry<K, V, E>> {
        let ring = &self.ring;
        let is_it = |&place: &u32| {
            let entry = &ring[place as usize];
            entry.hash == hash && entry.key == *key
        };
        let place = *self.index.find(hash.0, is_it)?;
        self.ring.get_mut(place as usize)
    }

    /// Takes up a new entry, if need be in the place of another. With every one in flight it goes without.
    fn insert(&mut self, hash: KeyHash, key: K, asking: Asking<V, E>, most: usize) {
        let entry = Entry {
            hash,
            key,
            asking,
            used: false,
        };
        let place = if self.ring.len() < most {
            self.ring.push(entry);
            self.ring.len() - 1
        } else {
            let Some(place) = self.next_unused() else {
                return;
            };
            let before = std::mem::replace(&mut self.ring[place], entry);
            let is_it = |&other: &u32| other as usize == place;
            if let Ok(entry) = self.index.find_entry(before.hash.0, is_it) {
                entry.remove();
            }
            place
        };
        let ring = &self.ring;
        self.index
            .insert_unique(hash.0, place as u32, |&place| ring[place as usize].hash.0);
    }

    /// Turns the hand to an entry that can go: twice round at most, for the first round forgets what was used.
    fn next_unused(&mut self) -> Option<usize> {
        for _ in 0..2 * self.ring.len() {
            let place = self.hand;
            self.hand = (self.hand + 1) % self.ring.len();
            let entry = &mut self.ring[place];
            if !std::mem::take(&mut entry.used) && !entry.is_in_flight() {
                return Some(place);
            }
        }
        None
    }
}
