//! The answer as a person reads it.

use std::fmt::{Display, Formatter, Result};
use std::time::Duration;

use super::{Answer, Because, Holder, PartitionTime, Paused, Place, ReplicaTime, Until, Wait, Why};
use crate::time::Timestamp;

impl Display for Why {
    /// A few lines for everybody who waits, is paused, is idle, or did not answer.
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
        let idle = self.idle().next().is_some();
        stuck || idle || !self.waits.is_empty() || self.paused.is_some()
    }

    fn idle(&self) -> impl Iterator<Item = &PartitionTime> {
        self.partitions.iter().filter(|partition| partition.is_idle)
    }
}

/// So many idle partitions of a replica are shown.
const IDLE_SHOWN: usize = 5;

impl Display for ReplicaTime {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "  {}: ", place(&self.vertex, self.replica))?;
        match (self.answer, &self.blocked_on) {
            (Answer::Given, _) => {}
            (Answer::Ended, _) => write!(f, "has ended; ")?,
            (Answer::Blocked, Some(full)) => write!(f, "waits for room at {full}; ")?,
            (Answer::Blocked, None) => write!(f, "waits for the outside; ")?,
            (Answer::Missing, _) => {
                write!(f, "does not answer (user code in it works, or blocks); ")?;
            }
        }
        writeln!(f, "{}", stands(self.watermark))?;
        for wait in &self.waits {
            writeln!(f, "    {wait}")?;
        }
        if let Some(paused) = &self.paused {
            writeln!(f, "    paused: {paused}")?;
        }
        for partition in self.idle().take(IDLE_SHOWN) {
            writeln!(f, "    idle, so not waited for: {partition}")?;
        }
        if let Some(more @ 1..) = self.idle().count().checked_sub(IDLE_SHOWN) {
            writeln!(f, "    nor for {more} more that are idle")?;
        }
        // Of what waits for something else it is not the reason.
        let waits_for_time =
            |wait: &Wait| matches!(wait.until, Until::Watermark(_) | Until::InputEnd { .. });
        if let Some(holder) = &self.held_by
            && (self.waits.is_empty() || self.waits.iter().any(waits_for_time))
        {
            writeln!(f, "    held back by {holder}")?;
        }
        Ok(())
    }
}

impl Display for Wait {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.what)?;
        if let Some(of @ 2..) = self.of {
            write!(f, ", the first of {of},")?;
        }
        write!(f, " waits for {}", self.until)?;
        if let Some(age) = self.age {
            write!(f, ", {} so far", short(age))?;
        }
        Ok(())
    }
}

impl Display for Until {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Until::Watermark(time) => write!(f, "the watermark {time}"),
            Until::ProcessingTime(time) => write!(f, "the wall clock to come to {time}"),
            Until::Records => f.write_str("more records"),
            Until::Answer => f.write_str("its answer"),
            Until::InputEnd { input, from } if from.is_empty() => {
                write!(f, "the end of input {input}")
            }
            Until::InputEnd { from, .. } => write!(f, "the end of `{}`", from.join("`, `")),
        }
    }
}

impl Display for Paused {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Paused {
            behind,
            ahead,
            allowed,
        } = self;
        match ahead {
            Some(ahead) => write!(f, "{} ahead of {behind}", short(*ahead))?,
            None => write!(f, "until {behind} has a watermark")?,
        }
        write!(f, ", {} allowed", short(*allowed))
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
            Because::InFlight(Some(wait)) => wait.fmt(f),
            Because::InFlight(None) => f.write_str("records are in flight there"),
            Because::Backpressure => f.write_str("what comes in there finds no room"),
            Because::Idle => f.write_str("idle, nothing comes in there"),
            Because::NoRecord => f.write_str("it has had no record yet"),
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
        write!(f, "{idle}) {}", stands(self.watermark))
    }
}

fn place(vertex: &str, replica: usize) -> String {
    format!("`{vertex}` (replica {replica})")
}

fn stands(at: Option<Timestamp>) -> String {
    at.map_or_else(
        || "has no watermark yet".to_owned(),
        |time| format!("stands at {time}"),
    )
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
