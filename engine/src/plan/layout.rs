//! From graph to plan: names, replicas, and which vertices share a task.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::check;
use super::graph::{Graph, VertexName};
use super::{Body, Parallelism, Plan, PlanEdge, PlanVertex, Role, Route};
use crate::error::{Error, Result};

impl Plan {
    /// The plan of a graph for a flow of this name and default parallelism.
    ///
    /// # Errors
    /// The graph has mistakes; the error tells all of them.
    pub fn of(graph: &mut Graph, name: &str, parallelism: usize) -> Result<Plan> {
        check(graph)?;
        let mut plan = Plan {
            name: name.to_owned(),
            vertices: Vec::new(),
            edges: Vec::new(),
        };
        let mut names = given_names(graph);
        for index in 0..graph.vertices.len() {
            let replicas = replicas(graph, &plan, index, parallelism)?;
            let vertex = &graph.vertices[index];
            let role = match &vertex.body {
                Body::Source(source, _) => Role::Source {
                    replay: source.replay(),
                },
                Body::Operator { .. } => Role::Operator,
                Body::Sink(..) => Role::Sink,
            };
            plan.vertices.push(PlanVertex {
                name: name_of(graph, &plan, index, &mut names),
                label: vertex.label.clone(),
                role,
                parallelism: replicas,
                head: index,
                has_state: matches!(vertex.body, Body::Operator { state: Some(_), .. }),
            });
            // The vertices before are settled, so the edges into this one can be.
            for edge in graph.edges.iter().filter(|edge| edge.to.0 == index) {
                let is_local = is_local(graph, &plan, edge.from.vertex.0, index, edge.route);
                if is_local {
                    plan.vertices[index].head = plan.vertices[edge.from.vertex.0].head;
                }
                plan.edges.push(PlanEdge {
                    from: edge.from.vertex.0,
                    port: edge.from.port,
                    to: index,
                    input: edge.input,
                    route: edge.route,
                    is_local,
                    beat: None,
                });
            }
        }
        set_beats(graph, &mut plan);
        Ok(plan)
    }
}

fn given_names(graph: &Graph) -> BTreeSet<String> {
    let given = graph
        .vertices
        .iter()
        .filter_map(|vertex| match &vertex.name {
            VertexName::Given(name) => Some(name.clone()),
            VertexName::Derived(_) => None,
        });
    given.collect()
}

/// A vertex without a name of its own is called after what feeds it and what it does.
fn name_of(graph: &Graph, plan: &Plan, index: usize, taken: &mut BTreeSet<String>) -> Arc<str> {
    let label = match &graph.vertices[index].name {
        VertexName::Given(name) => return name.as_str().into(),
        VertexName::Derived(label) => label,
    };
    let before = graph.edges.iter().find(|edge| edge.to.0 == index);
    let stem = match before.and_then(|edge| plan.vertices.get(edge.from.vertex.0)) {
        Some(before) => format!("{}.{label}", before.name),
        None => label.clone(),
    };
    let mut name = stem.clone();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{stem}#{number}");
        number += 1;
    }
    name.into()
}

fn replicas(graph: &Graph, plan: &Plan, index: usize, of_flow: usize) -> Result<usize> {
    let vertex = &graph.vertices[index];
    let most = match &vertex.body {
        Body::Source(source, _) => source.max_parallelism(),
        Body::Sink(sink, _) => sink.max_parallelism(),
        Body::Operator { .. } => usize::MAX,
    };
    match vertex.parallelism {
        Parallelism::OfFlow => Ok(of_flow.clamp(1, most.max(1))),
        Parallelism::OfInput => {
            let before = graph.edges.iter().find(|edge| edge.to.0 == index);
            let before = before.and_then(|edge| plan.vertices.get(edge.from.vertex.0));
            Ok(before.map_or(1, |before| before.parallelism))
        }
        Parallelism::Exactly(asked) if asked <= most => Ok(asked),
        Parallelism::Exactly(asked) => Err(Error::config(format!(
            "`{}` is asked for {asked} replicas, but its {} can be shared by at most {most}",
            graph.name_of(super::VertexId(index)),
            vertex.label
        ))),
    }
}

/// Whether the edge can be a plain call: the same replicas on both sides, nothing else to wait for.
fn is_local(graph: &Graph, plan: &Plan, from: usize, to: usize, route: Route) -> bool {
    let Body::Operator { own_task, .. } = &graph.vertices[to].body else {
        return false;
    };
    let (sending, receiving) = (
        plan.vertices[from].parallelism,
        plan.vertices[to].parallelism,
    );
    let inputs = graph.edges.iter().filter(|edge| edge.to.0 == to).count();
    let same_replica = sending == receiving && (route == Route::Forward || sending == 1);
    !own_task && inputs == 1 && same_replica
}

/// Tells every edge in which steps of event time watermarks matter behind it.
fn set_beats(graph: &Graph, plan: &mut Plan) {
    let mut beats: Vec<Option<i64>> = graph
        .vertices
        .iter()
        .map(|vertex| match &vertex.body {
            Body::Operator { beat, .. } => *beat,
            _ => None,
        })
        .collect();
    // Backwards: what matters behind an edge matters before it.
    for edge in plan.edges.iter_mut().rev() {
        edge.beat = beats[edge.to];
        beats[edge.from] = match (beats[edge.from], beats[edge.to]) {
            (Some(a), Some(b)) => Some(gcd(a, b)),
            (a, b) => a.or(b),
        };
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}
