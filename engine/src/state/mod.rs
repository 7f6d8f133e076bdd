//! Saved state: what an operator writes at a barrier and takes over at a restart.
//!
//! Keyed state is written by [`Shard`], so that a restart can deal the shards to another number of
//! replicas. What belongs to no key (how far a source partition has come) is written as named pieces,
//! which every replica gets to see. The form is postcard's, values one after the other.

mod snapshot;

pub use snapshot::{Snapshot, StateKind, VertexState};

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::key::{KeyHash, Shard};

/// What can be kept as state: saved, read back, and moved between threads. So it owns its data: a `String`, not a
/// `&'static str`, for what is read back has nothing to borrow from.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is kept as state, so it must be serializable",
    label = "add `#[derive(Serialize, Deserialize)]` to `{Self}`, and see that it owns its data",
    note = "state is saved at a barrier and restored after a restart; that needs \
            serde::Serialize, serde::de::DeserializeOwned, Send and 'static"
)]
pub trait State: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> State for T {}

/// Takes the state of one replica at a barrier.
#[derive(Debug)]
pub struct StateWriter {
    shards: u32,
    by_shard: BTreeMap<Shard, Vec<u8>>,
    pieces: Vec<(String, Vec<u8>)>,
}

impl StateWriter {
    /// For a key space of `shards` shards.
    pub fn new(shards: u32) -> Self {
        StateWriter {
            shards,
            by_shard: BTreeMap::new(),
            pieces: Vec::new(),
        }
    }

    /// Saves a value that belongs to a key with this hash.
    pub fn put<T: Serialize>(&mut self, hash: KeyHash, value: &T) -> Result<()> {
        let bytes = self.by_shard.entry(hash.shard(self.shards)).or_default();
        *bytes = postcard::to_extend(value, std::mem::take(bytes)).map_err(unsaved)?;
        Ok(())
    }

    /// Saves a value that belongs to no key.
    pub fn put_piece<T: Serialize>(&mut self, name: &str, value: &T) -> Result<()> {
        let bytes = postcard::to_allocvec(value).map_err(unsaved)?;
        self.pieces.push((name.to_owned(), bytes));
        Ok(())
    }

    /// Whether nothing was saved.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_shard.is_empty() && self.pieces.is_empty()
    }

    /// What was saved.
    pub(crate) fn finish(self) -> (BTreeMap<Shard, Vec<u8>>, Vec<(String, Vec<u8>)>) {
        (self.by_shard, self.pieces)
    }
}

fn unsaved(cause: postcard::Error) -> Error {
    Error::state("state that cannot be saved").caused_by(cause)
}

/// Gives one replica the state it owns now.
#[derive(Clone, Copy, Debug)]
pub struct StateReader<'a> {
    state: &'a VertexState,
    shards: u32,
    replica: usize,
    parallelism: usize,
}

impl<'a> StateReader<'a> {
    /// For replica `replica` of `parallelism` of the vertex that left `state`.
    pub fn new(state: &'a VertexState, shards: u32, replica: usize, parallelism: usize) -> Self {
        StateReader {
            state,
            shards,
            replica,
            parallelism,
        }
    }

    /// The saved keyed values of the shards this replica owns, in the order they were put.
    pub fn values<T: DeserializeOwned>(&self) -> impl Iterator<Item = Result<T>> {
        self.owned().flat_map(|bytes| Values {
            bytes,
            next: std::marker::PhantomData,
        })
    }

    /// All saved pieces, of every replica that was.
    pub fn pieces<T: DeserializeOwned>(&self) -> impl Iterator<Item = Result<(&'a str, T)>> {
        self.state
            .pieces
            .iter()
            .map(|(name, bytes)| Ok((name.as_str(), postcard::from_bytes(bytes).map_err(unread)?)))
    }

    /// The least of all saved pieces, or `None` if there are none: of a moment that each replica had come to, the one
    /// that all had.
    pub fn least_piece<T: Ord + DeserializeOwned>(&self) -> Result<Option<T>> {
        self.pieces::<T>().try_fold(None, |least, piece| {
            let (_, piece) = piece?;
            Ok(match least {
                Some(least) if least < piece => Some(least),
                _ => Some(piece),
            })
        })
    }

    fn owned(&self) -> impl Iterator<Item = &'a [u8]> {
        let (shards, replica, parallelism) = (self.shards, self.replica, self.parallelism);
        self.state
            .shards
            .iter()
            .filter(move |(shard, _)| shard.owner(shards, parallelism) == replica)
            .map(|(_, bytes)| bytes.as_slice())
    }
}

struct Values<'a, T> {
    bytes: &'a [u8],
    next: std::marker::PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Iterator for Values<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.bytes.is_empty() {
            return None;
        }
        match postcard::take_from_bytes(self.bytes) {
            // A value of no bytes would be read for ever.
            Ok((_, rest)) if rest.len() == self.bytes.len() => {
                self.bytes = &[];
                Some(Err(Error::state("saved state holds a value without bytes")))
            }
            Ok((value, rest)) => {
                self.bytes = rest;
                Some(Ok(value))
            }
            Err(cause) => {
                self.bytes = &[];
                Some(Err(unread(cause)))
            }
        }
    }
}

fn unread(cause: postcard::Error) -> Error {
    Error::state("saved state that cannot be read: its type has changed since").caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(pieces: &[Option<i64>]) -> VertexState {
        let mut writer = StateWriter::new(8);
        for piece in pieces {
            writer.put_piece("time", piece).unwrap();
        }
        VertexState {
            pieces: writer.finish().1,
            ..VertexState::default()
        }
    }

    #[test]
    fn the_least_piece_is_that_of_all_replicas_that_were() {
        let least = |pieces: &[Option<i64>]| {
            let state = saved(pieces);
            // Each replica sees it, whatever the parallelism.
            let of = [0, 1, 2].map(|replica| {
                let reader = StateReader::new(&state, 8, replica, 3);
                reader.least_piece::<Option<i64>>().unwrap()
            });
            assert!(of.iter().all(|its| *its == of[0]));
            of[0]
        };
        assert_eq!(least(&[]), None);
        assert_eq!(least(&[Some(7)]), Some(Some(7)));
        assert_eq!(least(&[Some(3), Some(-5), Some(4)]), Some(Some(-5)));
        // One that had come to no moment yet is behind all others.
        assert_eq!(least(&[Some(3), None, Some(4)]), Some(None));
    }

    #[test]
    fn a_piece_that_cannot_be_read_is_an_error() {
        let mut state = saved(&[Some(3)]);
        state.pieces.push(("time".to_owned(), Vec::new()));
        let reader = StateReader::new(&state, 8, 0, 1);
        assert!(reader.least_piece::<Option<i64>>().is_err());
    }
}
