//! What the benches share: variants of one job run in turn, their costs, ratios, and the table.
//!
//! A machine is never quite idle. So variants run by turns (A B C, A B C, …), every ratio is taken within a
//! round, and the median over the rounds is told, with its quartiles as the noise.

// Every bench is a program of its own and uses a part of this.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What a run took: on the clock, and of the processors (all threads of this process).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

/// CPU time of this process so far.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What `work` costs.
pub(crate) fn cost(work: impl FnOnce()) -> Cost {
    let (wall, before) = (Instant::now(), cpu());
    work();
    let cpu = cpu() - before;
    Cost {
        wall: wall.elapsed(),
        cpu,
    }
}

/// A middle value and the quartiles around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Middle {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Middle {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Middle {
            low: at(0.25),
            median: at(0.5),
            high: at(0.75),
        }
    }
}

impl std::fmt::Display for Middle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Middle { low, median, high } = self;
        write!(f, "{median:.2} ({low:.2}–{high:.2})")
    }
}

/// Jobs to be compared, and what their runs cost.
pub(crate) struct Contest<'a> {
    variants: Vec<(String, Box<dyn FnMut() + 'a>)>,
    rounds: Vec<Vec<Cost>>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new() -> Self {
        Contest {
            variants: Vec::new(),
            rounds: Vec::new(),
        }
    }

    /// Adds a variant; gives its number.
    pub(crate) fn add(&mut self, name: impl Into<String>, job: impl FnMut() + 'a) -> usize {
        self.variants.push((name.into(), Box::new(job)));
        self.variants.len() - 1
    }

    /// Runs all variants by turns, once to warm up and then `rounds` times; every other round backwards, so that
    /// none profits from who runs before it.
    pub(crate) fn run(&mut self, rounds: usize) {
        for round in 0..=rounds {
            let mut costs: Vec<Cost> = Vec::new();
            if round % 2 == 0 {
                costs.extend(self.variants.iter_mut().map(|(_, job)| cost(job)));
            } else {
                costs.extend(self.variants.iter_mut().rev().map(|(_, job)| cost(job)));
                costs.reverse();
            }
            if round > 0 {
                self.rounds.push(costs);
            }
        }
    }

    /// A figure of every round.
    pub(crate) fn middle(&self, figure: impl Fn(&[Cost]) -> f64) -> Middle {
        Middle::of(self.rounds.iter().map(|costs| figure(costs)))
    }

    /// The costs of all variants, per record.
    pub(crate) fn print(&self, title: &str, records: u64) {
        println!(
            "\n{title} ({records} records, {} rounds)",
            self.rounds.len()
        );
        println!("| variant | wall s | CPU s | CPU ns per record |\n|---|---|---|---|");
        for (number, (name, _)) in self.variants.iter().enumerate() {
            let wall = self.middle(|costs| costs[number].wall.as_secs_f64());
            let cpu = self.middle(|costs| costs[number].cpu.as_secs_f64());
            let each = self.middle(|costs| nanos_each(costs[number].cpu, records));
            println!("| {name} | {wall} | {cpu} | {each} |");
        }
    }
}

/// CPU nanoseconds per record.
pub(crate) fn nanos_each(cpu: Duration, records: u64) -> f64 {
    cpu.as_nanos() as f64 / records as f64
}

/// A figure, what it should be, and whether it is.
pub(crate) fn verdict(what: &str, figure: impl std::fmt::Display, is_met: bool, target: &str) {
    let met = if is_met { "met" } else { "MISSED" };
    println!("{what}: {figure}, target {target}: {met}");
}

/// The number behind `--NAME` on the command line.
pub(crate) fn argument(name: &str, default: u64) -> u64 {
    let flag = format!("--{name}");
    let mut arguments = std::env::args().skip_while(|argument| *argument != flag);
    let number = arguments.nth(1).and_then(|number| number.parse().ok());
    number.unwrap_or(default)
}
