//! A plan as text, as Graphviz DOT and as Mermaid.

use std::fmt::{self, Write};

use super::{Plan, PlanEdge, Role, Route};

impl fmt::Display for Plan {
    /// A line for each vertex, indented under the head of its task, and where its records go.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "flow `{}`", self.name)?;
        let mut by_task: Vec<_> = self.vertices.iter().enumerate().collect();
        by_task.sort_by_key(|&(index, vertex)| (vertex.head, index));
        for (index, vertex) in by_task {
            let indent = if vertex.head == index { "  " } else { "    + " };
            write!(
                f,
                "{indent}{} ({}) x{}",
                vertex.name, vertex.label, vertex.parallelism
            )?;
            let leaving = self
                .edges
                .iter()
                .filter(|edge| edge.from == index && !edge.is_local);
            for edge in leaving {
                write!(
                    f,
                    " --{}--> {}",
                    edge.route.word(),
                    self.vertices[edge.to].name
                )?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Plan {
    /// The plan for Graphviz: `dot -Tsvg`.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from("digraph flow {\n  rankdir=LR; node [shape=box];\n");
        for (index, vertex) in self.vertices.iter().enumerate() {
            let shape = match vertex.role {
                Role::Source { .. } => "cds",
                Role::Operator => "box",
                Role::Sink => "house",
            };
            let _ = writeln!(
                dot,
                "  v{index} [shape={shape} label={:?}];",
                self.title(index)
            );
        }
        for edge in &self.edges {
            let style = if edge.is_local { "dashed" } else { "solid" };
            let word = edge.route.word();
            let _ = writeln!(
                dot,
                "  v{} -> v{} [label=\"{word}\" style={style}];",
                edge.from, edge.to
            );
        }
        dot.push_str("}\n");
        dot
    }

    /// The plan for Mermaid, which Markdown pages draw.
    pub fn to_mermaid(&self) -> String {
        let mut mermaid = String::from("flowchart LR\n");
        for index in 0..self.vertices.len() {
            let title = self.title(index).replace('"', "'").replace('\n', "<br/>");
            let _ = writeln!(mermaid, "  v{index}[\"{title}\"]");
        }
        for PlanEdge {
            from,
            to,
            route,
            is_local,
            ..
        } in &self.edges
        {
            let arrow = if *is_local { "-.->" } else { "-->" };
            let _ = writeln!(mermaid, "  v{from} {arrow}|{}| v{to}", route.word());
        }
        mermaid
    }

    fn title(&self, index: usize) -> String {
        let vertex = &self.vertices[index];
        format!("{}\n{} x{}", vertex.name, vertex.label, vertex.parallelism)
    }
}

impl Route {
    /// One word for it.
    fn word(self) -> &'static str {
        match self {
            Route::Forward => "forward",
            Route::ByKey => "by key",
            Route::Rebalance => "rebalance",
            Route::Broadcast => "broadcast",
        }
    }
}
