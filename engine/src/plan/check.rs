//! What is wrong with a graph, all of it at once.

use std::collections::BTreeSet;

use super::graph::{Graph, VertexName};
use super::{Body, Output, Plan, PlanVertex, Route, VertexId};
use crate::error::{Error, ErrorKind, Result};
use crate::state::Snapshot;

/// Every mistake in the graph, as one error.
pub(super) fn check(graph: &mut Graph) -> Result<()> {
    let mut mistakes: Vec<Error> = std::mem::take(&mut graph.errors);
    names(graph, &mut mistakes);
    ends(graph, &mut mistakes);
    let Some(first) = mistakes.pop() else {
        return Ok(());
    };
    if mistakes.is_empty() {
        return Err(first);
    }
    mistakes.push(first);
    let kind = if mistakes
        .iter()
        .any(|error| error.kind() == ErrorKind::Internal)
    {
        ErrorKind::Internal
    } else {
        ErrorKind::Config
    };
    let all: String = mistakes
        .iter()
        .map(|error| format!("\n  - {error}"))
        .collect();
    Err(Error::new(
        kind,
        format!("the flow has {} mistakes:{all}", mistakes.len()),
    ))
}

impl Plan {
    /// Refuses replicas for which there are no keys: each shard of the key space is in one.
    pub(crate) fn check_shards(&self, shards: u32) -> Result<()> {
        let by_key = self.edges.iter().filter(|edge| edge.route == Route::ByKey);
        let mut keyed = by_key.map(|edge| &self.vertices[edge.to]);
        match keyed.find(|vertex| vertex.parallelism > shards as usize) {
            None => Ok(()),
            Some(PlanVertex {
                name, parallelism, ..
            }) => Err(Error::config(format!(
                "`{name}` is asked for {parallelism} replicas, but goes by key, and the key space is cut into {shards} \
                 shards: ask for {shards} replicas at most, or for more shards, by `.with_shards(…)`"
            ))),
        }
    }

    /// Refuses a snapshot that does not fit the flow: nothing of it may be lost in silence.
    pub(crate) fn check_snapshot(&self, snapshot: &Snapshot, shards: u32) -> Result<()> {
        if snapshot.shards != shards {
            return Err(Error::state(format!(
                "the snapshot was made with {} shards, the flow has {shards}: set the flow's shards to \
                 {}; they are fixed for the life of its state",
                snapshot.shards, snapshot.shards
            )));
        }
        for name in snapshot.vertices.keys() {
            if !self.vertices.iter().any(|vertex| *vertex.name == **name) {
                return Err(Error::state(format!(
                    "the snapshot holds state of vertex `{name}`, which the flow does not have: was it \
                     renamed? Give it its old name, or start without the snapshot"
                )));
            }
        }
        Ok(())
    }
}

fn names(graph: &Graph, mistakes: &mut Vec<Error>) {
    let mut seen = BTreeSet::new();
    for vertex in &graph.vertices {
        let VertexName::Given(name) = &vertex.name else {
            continue;
        };
        if name.trim().is_empty() {
            mistakes.push(Error::config(format!(
                "a {} has no name: it needs one, because state, metrics and errors go by it",
                vertex.label
            )));
        } else if !seen.insert(name) {
            mistakes.push(Error::config(format!(
                "two vertices are called `{name}`: names must differ, because state goes by them"
            )));
        }
    }
}

/// Every stream goes somewhere, and where it goes twice it can be copied.
fn ends(graph: &Graph, mistakes: &mut Vec<Error>) {
    if !graph
        .vertices
        .iter()
        .any(|vertex| matches!(vertex.body, Body::Source(..)))
    {
        mistakes.push(Error::config("the flow has no source"));
    }
    for (index, vertex) in graph.vertices.iter().enumerate() {
        for (number, port) in vertex.ports.iter().enumerate() {
            let output = Output {
                vertex: VertexId(index),
                port: number,
            };
            let edges = graph
                .edges
                .iter()
                .filter(|edge| edge.from == output)
                .count();
            let name = graph.name_of(output.vertex);
            if edges == 0 && !graph.discarded.contains(&output) {
                mistakes.push(Error::config(format!(
                    "output {number} of `{name}` (a stream of `{}`) goes nowhere: end it with `.sink(…)` or \
                     `.discard()`",
                    port.type_name()
                )));
            }
            if edges > 1 && !port.copies() {
                mistakes.push(Error::internal(format!(
                    "output {number} of `{name}` goes to {edges} places but its records cannot be copied"
                )));
            }
        }
    }
}
