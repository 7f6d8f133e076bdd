//! The plan: what a flow is made of, before anything runs.
//!
//! The language builds a [`Graph`]; [`Plan::of`] checks it, names every vertex, settles how many replicas it
//! has, and decides which vertices share a task. A plan is plain data and prints itself.

mod check;
mod graph;
mod layout;
mod show;

pub(crate) use graph::{Body, check_parallelism};
pub use graph::{
    Graph, MakeOperator, OperatorVertex, Output, Parallelism, Replica, Route, VertexId,
};

use std::sync::Arc;

use crate::source::Replay;

/// What a flow is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The flow's name.
    pub name: String,
    /// Its vertices; every one comes behind those it gets records from.
    pub vertices: Vec<PlanVertex>,
    /// Its edges.
    pub edges: Vec<PlanEdge>,
}

/// A vertex of a plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlanVertex {
    /// Its name, unique in the flow.
    pub name: Arc<str>,
    /// What it does.
    pub label: String,
    /// Whether records enter here, leave here, or pass.
    pub role: Role,
    /// How many replicas it has.
    pub parallelism: usize,
    /// The vertex at the head of the task it runs in; itself, if that is a task of its own.
    pub head: usize,
    /// Whether it keeps state.
    pub has_state: bool,
}

/// What a vertex is in the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Records enter here.
    Source {
        /// What a crash loses of them.
        replay: Replay,
    },
    /// Records are worked on.
    Operator,
    /// Results leave.
    Sink,
}

/// An edge of a plan.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PlanEdge {
    /// The sending vertex.
    pub from: usize,
    /// Which of its outputs.
    pub port: usize,
    /// The receiving vertex.
    pub to: usize,
    /// Which of its inputs.
    pub input: usize,
    /// How a record finds its replica.
    pub route: Route,
    /// Whether both ends share a task, so that nothing is sent.
    pub is_local: bool,
    /// Watermarks matter behind it in steps of so many microseconds of event time.
    pub beat: Option<i64>,
}

impl Plan {
    /// What a crash of the process would cost, a sentence each. Empty: nothing.
    pub fn crash_cost(&self) -> Vec<String> {
        let mut cost = Vec::new();
        let stateful: Vec<_> = self
            .vertices
            .iter()
            .filter(|v| v.has_state)
            .map(|v| format!("`{}`", v.name))
            .collect();
        if !stateful.is_empty() {
            cost.push(format!(
                "the state of {} is in memory and would be lost",
                stateful.join(", ")
            ));
        }
        for vertex in &self.vertices {
            match vertex.role {
                Role::Source {
                    replay: Replay::Never,
                } => cost.push(format!(
                    "source `{}` cannot give its records again: those under way would be lost",
                    vertex.name
                )),
                Role::Source {
                    replay: Replay::FromStart,
                } => {
                    cost.push(format!(
                        "source `{}` would begin again from its start",
                        vertex.name
                    ));
                }
                _ => {}
            }
        }
        cost
    }
}
