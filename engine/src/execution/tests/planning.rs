//! What is told of a flow before it runs.

use super::doubles::{Sum, collect, numbers};
use super::{run, sum_flow};
use crate::plan::Graph;
use crate::runtime;

#[test]
fn all_mistakes_are_told_at_once() {
    let mut graph = Graph::new();
    let source = graph.add_source("numbers", numbers(5));
    graph.add_source("numbers", numbers(5));
    graph.add_source(" ", numbers(5));
    graph.set_parallelism(source, 0);
    let error = runtime::simulate(0, run(graph, 1))
        .unwrap()
        .unwrap_err()
        .to_string();
    for part in [
        "called `numbers`",
        "has no name",
        "goes nowhere",
        "parallelism of 0",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_plan_prints_itself() {
    let mut graph = sum_flow(numbers(5), Sum::default, collect());
    let plan = crate::plan::Plan::of(&mut graph, "sums", 2).unwrap();
    assert_eq!(
        plan.to_string(),
        "flow `sums`\n\
        \x20 numbers (source) x2\n\
        \x20   + numbers.key_by (key_by) x2 --by key--> sum\n\
        \x20 sum (sum) x2 --forward--> out\n\
        \x20 out (sink) x2\n"
    );
    assert!(
        plan.to_dot()
            .contains("v1 -> v2 [label=\"by key\" style=solid];")
    );
    assert!(plan.to_mermaid().contains("v0 -.->|forward| v1"));
    assert!(plan.crash_cost()[0].contains("state of `sum`"));
}
