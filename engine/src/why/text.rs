//! The answer as a person reads it.

use std::fmt::{Display, Formatter, Result};
use std::time::Duration;

use super::{Answer, Because, Holder, PartitionTime, Place, ReplicaTime, Why};
use crate::time::Timestamp;

impl Display for Why {
    /// A few lines for everybody who waits, is paused, or did not answer.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "event time in `{}` at {}", self.flow, self.asked_at)?;
        let mut quiet = true;
        for replica in &self.replicas {
            quiet &= !replica.is_remarkable();
            if replica.is_remarkable() {
                write!(f, "{replica}")?;
            }
        }
        if !quiet {
            return Ok(());
        }
        writeln!(f, "  nothing waits for it")
    }
}

impl ReplicaTime {
    fn is_remarkable(&self) -> bool {
        let stuck = matches!(self.answer, Answer::Missing | Answer::Blocked);
        stuck || !self.waits.is_empty() || self.paused_for.is_some()
    }
}

impl Display for ReplicaTime {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "  {}: ", place(&self.vertex, self.replica))?;
        match self.answer {
            Answer::Given => {}
            Answer::Ended => write!(f, "has ended; ")?,
            Answer::Blocked => write!(f, "waits for room behind it; ")?,
            Answer::Missing => write!(f, "does not answer (user code in it works, or blocks); ")?,
        }
        writeln!(f, "stands at {}", moment(self.watermark))?;
        if let Some(wait) = self.waits.first() {
            writeln!(f, "    {} waits for {}", wait.what, wait.until)?;
        }
        if let Some(slower) = &self.paused_for {
            writeln!(f, "    paused: too far ahead of {slower}")?;
        }
        if let Some(holder) = &self.held_by {
            writeln!(f, "    held back by {holder}")?;
        }
        Ok(())
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&place(&self.vertex, self.replica))
    }
}

impl Display for Holder {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}: ", place(&self.vertex, self.replica))?;
        match &self.because {
            Because::Partition(partition) => partition.fmt(f),
            Because::InFlight => f.write_str("records are in flight there"),
            Because::Idle => f.write_str("idle, nothing comes in there"),
            Because::NoTime => f.write_str("it makes no event time"),
            Because::NoAnswer => f.write_str("it does not answer"),
        }
    }
}

impl Display for PartitionTime {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "partition `{}` ", self.name)?;
        match (self.last_record, self.age) {
            (Some(time), Some(age)) => {
                write!(f, "(last record of {time}, {} ago", short(age))?;
            }
            (None, Some(age)) => write!(f, "(no record with a time, the last {} ago", short(age))?,
            _ => f.write_str("(no record yet")?,
        }
        let idle = if self.is_idle { ", idle" } else { ", not idle" };
        write!(f, "{idle}) stands at {}", moment(self.watermark))
    }
}

fn place(vertex: &str, replica: usize) -> String {
    format!("`{vertex}` (replica {replica})")
}

fn moment(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "no watermark yet".to_owned(), |time| time.to_string())
}

/// In the largest unit that says enough.
fn short(age: Duration) -> String {
    match age.as_secs() {
        0 => format!("{} ms", age.as_millis()),
        secs @ 1..120 => format!("{secs} s"),
        secs @ 120..7_200 => format!("{} min", secs / 60),
        secs @ 7_200..172_800 => format!("{} h", secs / 3_600),
        secs => format!("{} days", secs / 86_400),
    }
}
