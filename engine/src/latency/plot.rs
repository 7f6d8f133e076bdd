//! The percentile plot: what is in it. How it is drawn is in `drawing`.

use super::report::{LatencyReport, Measure};
use super::{Distribution, Series};

/// Longer names are cut, lest they leave the picture.
const LONGEST_LABEL: usize = 32;
const LONGEST_TITLE: usize = 90;

/// Told apart by people who see few colours too (Okabe and Ito), dark enough for thin lines on white.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#00795a", "#a3457d", "#8a6d00", "#6250c4",
];
const MACHINE: &str = "#9a9a9a";

/// Latency by percentile, one line per series: `to_string` is an SVG picture.
///
/// The axis of percentiles is spread towards the rare (90, 99, 99.9 …), the axis of latencies is
/// logarithmic. A line ends where its measurements can tell no finer percentile, with a dot at the longest.
///
/// ```
/// use millstream_engine::latency::{Distribution, Plot};
/// use std::time::Duration;
///
/// let mut before = Distribution::default();
/// before.record(Duration::from_millis(3), 1);
/// let svg = Plot::new("two versions").line("before", &before).to_string();
/// assert!(svg.starts_with("<svg"));
/// ```
#[derive(Clone, Debug)]
pub struct Plot {
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) label: String,
    pub(super) colour: &'static str,
    pub(super) dashes: &'static str,
    pub(super) figures: Distribution,
}

impl LatencyReport {
    /// The way through the whole flow, sink by sink, with the machine's hiccups in grey.
    ///
    /// For other choices start from [`Plot::new`].
    pub fn plot(&self, title: &str) -> Plot {
        let mut plot = Plot::new(title);
        for series in &self.series {
            if series.measure.is_end_to_end() {
                plot = plot.line(&label(series), &series.merged);
            }
        }
        match self.hiccups() {
            Some(hiccups) => plot.machine(hiccups),
            None => plot,
        }
    }
}

impl Plot {
    /// Without lines yet.
    pub fn new(title: &str) -> Self {
        Plot {
            title: cut(title, LONGEST_TITLE),
            lines: Vec::new(),
        }
    }

    /// With a line for these figures. Empty ones have none.
    pub fn line(mut self, label: &str, figures: &Distribution) -> Self {
        let drawn = self.lines.iter().filter(|line| line.colour != MACHINE);
        let drawn = drawn.count();
        let dashes = if drawn < COLOURS.len() { "none" } else { "8 4" };
        self.push(label, COLOURS[drawn % COLOURS.len()], dashes, figures);
        self
    }

    /// With the machine's own hiccups, in grey.
    pub fn machine(mut self, hiccups: &Distribution) -> Self {
        self.push("the machine's own hiccups", MACHINE, "none", hiccups);
        self
    }

    fn push(
        &mut self,
        label: &str,
        colour: &'static str,
        dashes: &'static str,
        figures: &Distribution,
    ) {
        if !figures.is_empty() {
            self.lines.push(Line {
                label: cut(label, LONGEST_LABEL),
                colour,
                dashes,
                figures: figures.clone(),
            });
        }
    }
}

fn label(series: &Series) -> String {
    let what = match series.measure {
        Measure::HandedOver => "handed over",
        Measure::Acknowledged => "acknowledged",
        Measure::EventTime => "since the event",
        other => other.title(),
    };
    // What is measured must stay to be read.
    format!("{}: {what}", cut(&series.vertex, LONGEST_LABEL / 2))
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
