//! Answers that are known, or being asked for.

use std::cell::RefCell;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use hashbrown::HashTable;
use millstream_engine::key::KeyHash;
use millstream_engine::runtime::{self, Instant};

use super::LookupCache;

/// The answers of one replica. A clone of it is empty.
///
/// An answer is a shared future: it is there for all who ask, before it is known and after. The cell is not for threads
/// but because the closure of `map_async` is called by reference.
pub(super) struct Answers<K, V, E> {
    settings: LookupCache,
    cache: RefCell<Cache<K, V, E>>,
}

/// What came of a call.
pub(super) struct Answer<V, E> {
    pub(super) result: Result<Option<V>, E>,
    /// Until when it is used again; an error never is.
    fresh_until: Option<Instant>,
}

/// A call, for all who wait for its answer.
struct Call<V, E> {
    answer: Shared<BoxFuture<'static, Arc<Answer<V, E>>>>,
    /// Somebody has given it up, as a timeout does: whoever asks from now on asks anew.
    given_up: Arc<AtomicBool>,
}

impl<V, E> Clone for Call<V, E> {
    fn clone(&self) -> Self {
        Call {
            answer: self.answer.clone(),
            given_up: self.given_up.clone(),
        }
    }
}

/// Waits for the answer of a call, and gives the call up if it is dropped before.
pub(super) struct Asking<V, E> {
    call: Call<V, E>,
    has_answer: bool,
}

impl<V, E> Future for Asking<V, E> {
    type Output = Arc<Answer<V, E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.call.answer.poll_unpin(cx));
        self.has_answer = true;
        Poll::Ready(answer)
    }
}

impl<V, E> Drop for Asking<V, E> {
    fn drop(&mut self) {
        if !self.has_answer {
            self.call.given_up.store(true, Ordering::Relaxed);
        }
    }
}

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
    call: Call<V, E>,
    used: bool,
}

impl<K, V, E> Answers<K, V, E> {
    pub(super) fn new(settings: LookupCache) -> Self {
        Answers {
            settings,
            cache: RefCell::new(Cache {
                index: HashTable::new(),
                ring: Vec::new(),
                hand: 0,
            }),
        }
    }
}

impl<K, V, E> Clone for Answers<K, V, E> {
    fn clone(&self) -> Self {
        Answers::new(self.settings)
    }
}

impl<K, V, E> Answers<K, V, E>
where
    K: Hash + Eq + Clone,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// The answer to a key: one that is known and fresh, that of the call in flight, or that of a new call.
    pub(super) fn to<Fut>(&self, key: K, call: impl Fn(K) -> Fut) -> Asking<V, E>
    where
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let mut cache = self.cache.borrow_mut();
        let hash = KeyHash::of(&key);
        let entry = cache.find(hash, &key);
        // Reading the clock for a record is little beside the boxed future that each is already.
        if let Some(entry) = entry
            && entry.is_usable(runtime::now())
        {
            entry.used = true;
            return entry.call.wait();
        }
        let asked = self.asked(call(key.clone()));
        match cache.find(hash, &key) {
            Some(entry) => entry.call = asked.clone(),
            None => cache.insert(hash, key, asked.clone(), self.settings.most),
        }
        asked.wait()
    }

    /// A call whose answer can be shared.
    fn asked<Fut>(&self, call: Fut) -> Call<V, E>
    where
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let LookupCache {
            ttl, negative_ttl, ..
        } = self.settings;
        let answer = async move {
            let result = call.await;
            let fresh_for = match &result {
                Ok(Some(_)) => Some(ttl),
                Ok(None) => Some(negative_ttl.unwrap_or(ttl)),
                Err(_) => None,
            };
            Arc::new(Answer {
                fresh_until: fresh_for.map(|fresh_for| runtime::now() + fresh_for),
                result,
            })
        };
        Call {
            answer: answer.boxed().shared(),
            given_up: Arc::default(),
        }
    }
}

impl<V, E> Call<V, E> {
    fn wait(&self) -> Asking<V, E> {
        Asking {
            call: self.clone(),
            has_answer: false,
        }
    }
}

impl<K, V, E> Entry<K, V, E> {
    fn is_in_flight(&self) -> bool {
        self.call.answer.peek().is_none() && !self.call.given_up.load(Ordering::Relaxed)
    }

    fn is_usable(&self, now: Instant) -> bool {
        match self.call.answer.peek() {
            Some(answer) => answer.fresh_until.is_some_and(|until| now < until),
            None => self.is_in_flight(),
        }
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
    fn insert(&mut self, hash: KeyHash, key: K, call: Call<V, E>, most: usize) {
        let entry = Entry {
            hash,
            key,
            call,
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
