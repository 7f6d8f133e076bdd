//! Reading ahead: memory that many records need is fetched for some of them at once.
//!
//! A table of many keys does not fit into the caches, and each record waits for its key. The processor can wait for
//! a dozen such reads at once, but not if it must compare the key before it knows how to go on. So what a group of
//! records will need is read first, without asking what it is, and used then. Where it was read is kept as a guess, so
//! that the record need not search for it again.
//!
//! Source: Chen, Ailamaki, Gibbons and Mowry, *Improving Hash Join Performance through Prefetching*, ICDE 2004
//! ("group prefetching").

use millstream_engine::batch::Record;
use millstream_engine::key::{KeyHash, Keyed};

/// So many records are a group.
pub(crate) const GROUP: usize = 32;

/// From so many bytes on it pays: less than that stays in the caches of a core.
pub(crate) const FROM: usize = 256 << 10;

/// The hashes of the next group of records.
#[inline]
pub(crate) fn hashes<K, T>(records: &[Record<Keyed<K, T>>]) -> impl Iterator<Item = KeyHash> {
    let group = records.iter().take(GROUP);
    group.map(|record| record.value.hash)
}
