//! A snapshot: the state of a whole flow at one barrier.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::key::Shard;
use crate::source::Position;
use crate::time::Timestamp;

/// The state of a flow between two of its epochs: source positions and operator state that belong
/// together. A flow started from it goes on as if it had never stopped, with any parallelism.
///
/// Idea: Carbone et al., *Lightweight Asynchronous Snapshots for Distributed Dataflows*, 2015.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The epoch it closes.
    pub epoch: u64,
    /// Into how many shards the key space was cut.
    pub shards: u32,
    /// The state of every vertex that has some, by the vertex's name.
    pub vertices: BTreeMap<String, VertexState>,
}

/// The state of one vertex, all replicas together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VertexState {
    /// What kind of state it is; only the same kind can take it over.
    pub kind: StateKind,
    /// Keyed state.
    pub shards: BTreeMap<Shard, Vec<u8>>,
    /// State that belongs to no key.
    pub pieces: Vec<(String, Vec<u8>)>,
    /// Where a source goes on.
    pub positions: Vec<Position>,
    /// The lowest frontier of the replicas at the barrier.
    pub frontier: Option<Timestamp>,
}

/// Names the form of a vertex's state, so that another form is refused and not misread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateKind {
    /// What keeps it, and the types in it: `reduce<alloc::string::String, u64>`.
    pub name: String,
    /// Version of the form.
    pub version: u32,
}

impl StateKind {
    /// State of the operator `name` that keeps `T`s.
    pub fn of<T>(name: &str, version: u32) -> Self {
        StateKind {
            name: format!("{name}<{}>", std::any::type_name::<T>()),
            version,
        }
    }
}

impl VertexState {
    /// Adds the state of another replica of the same vertex.
    pub(crate) fn merge(&mut self, other: VertexState) {
        self.kind = other.kind;
        for (shard, mut bytes) in other.shards {
            self.shards.entry(shard).or_default().append(&mut bytes);
        }
        self.pieces.extend(other.pieces);
        self.positions.extend(other.positions);
        self.frontier = self.frontier.min(other.frontier);
    }

    /// Refuses state for a vertex that keeps none now. (A source's positions are taken up where it is opened.)
    pub(crate) fn check_unneeded(&self, vertex: &str) -> Result<()> {
        if self.shards.is_empty() && self.pieces.is_empty() {
            return Ok(());
        }
        Err(Error::state(format!(
            "the snapshot holds state of `{}` for vertex `{vertex}`, which keeps none now: give the changed \
             vertex a new name and start without the snapshot, or restore with the program that made it",
            self.kind.name
        )))
    }

    /// Refuses state of another kind.
    pub(crate) fn check(&self, vertex: &str, expected: &StateKind) -> Result<()> {
        if self.kind == *expected {
            return Ok(());
        }
        Err(Error::state(format!(
            "the snapshot holds state of `{}` (version {}) for vertex `{vertex}`, which is now `{}` \
             (version {}): give the changed vertex a new name and start without its state, or restore \
             with the program that made the snapshot",
            self.kind.name, self.kind.version, expected.name, expected.version
        )))
    }
}
