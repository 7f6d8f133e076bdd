//! What is told at the end of a run.

use std::fmt;
use std::time::Duration;

use crate::latency::LatencyReport;
use crate::metrics::VertexMetrics;

/// How a flow ran.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The flow's name.
    pub name: String,
    /// How it ended.
    pub ended: Ended,
    /// How long it ran.
    pub elapsed: Duration,
    /// What each vertex counted.
    pub vertices: Vec<VertexMetrics>,
    pub(crate) latency: LatencyReport,
}

/// How a flow that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// All its sources came to their end.
    Finished,
    /// It was stopped, and finished what was under way (or saved it, with a snapshot).
    Stopped,
    /// It was stopped at once: what was under way is lost.
    Killed,
}

impl Report {
    /// The latency table.
    pub fn latency(&self) -> &LatencyReport {
        &self.latency
    }

    /// What the vertex of this name counted.
    pub fn vertex(&self, name: &str) -> Option<&VertexMetrics> {
        self.vertices.iter().find(|vertex| vertex.vertex == name)
    }

    /// Records that came too late for their window, over all vertices.
    pub fn late(&self) -> u64 {
        self.vertices.iter().map(|vertex| vertex.late).sum()
    }

    /// Records that were left out because they have no event time, over all vertices.
    pub fn untimed(&self) -> u64 {
        self.vertices.iter().map(|vertex| vertex.untimed).sum()
    }

    /// Records whose event time was too far ahead of the wall clock, over all vertices.
    pub fn ahead(&self) -> u64 {
        self.vertices.iter().map(|vertex| vertex.ahead).sum()
    }

    /// Records that could not be decoded or encoded, over all vertices.
    pub fn bad(&self) -> u64 {
        self.vertices.iter().map(|vertex| vertex.bad).sum()
    }

    /// Records that were dropped because they repeat one that was let through, over all vertices.
    pub fn repeats(&self) -> u64 {
        self.vertices.iter().map(|vertex| vertex.repeats).sum()
    }
}

impl fmt::Display for Report {
    /// A line for each vertex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = match self.ended {
            Ended::Finished => "finished",
            Ended::Stopped => "stopped",
            Ended::Killed => "stopped at once",
        };
        writeln!(f, "flow `{}` {ended} after {:.2?}", self.name, self.elapsed)?;
        let width = self
            .vertices
            .iter()
            .map(|v| v.vertex.chars().count())
            .max()
            .unwrap_or(0);
        for vertex in &self.vertices {
            write!(
                f,
                "  {:width$}  {:>12} in",
                vertex.vertex, vertex.records_in
            )?;
            if vertex.records_out > 0 {
                write!(f, " {:>12} out", vertex.records_out)?;
            }
            let counted = [
                (vertex.late, "late"),
                (vertex.untimed, "without event time"),
                (vertex.ahead, "too far ahead"),
                (vertex.bad, "bad"),
                (vertex.repeats, "repeats"),
            ];
            for (records, what) in counted {
                if records > 0 {
                    write!(f, "  {records} {what}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
