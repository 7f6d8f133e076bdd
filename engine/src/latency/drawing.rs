//! Draws a percentile plot as SVG.

use std::fmt::{self, Write};
use std::time::Duration;

use super::Distribution;
use super::plot::{Line, Plot};
use super::scale::{LatencyScale, PercentileScale, finest, quantile};
use super::text::brief;

const WIDTH: f64 = 1_040.0;
const TOP: f64 = 76.0;
const LEFT: f64 = 76.0;
const PLOT_WIDTH: f64 = 600.0;
const PLOT_HEIGHT: f64 = 400.0;
/// Below the axis: its labels and its title.
const FOOT: f64 = 68.0;
/// From one label beside the plot to the next.
const LABEL_PITCH: f64 = 38.0;
const STYLE: &str = "\
text { font: 13px Helvetica, Arial, 'DejaVu Sans', sans-serif; fill: #444 } \
.title { font-size: 19px; fill: #222 } .words { fill: #666 } .told { font-size: 11px; fill: #666 } \
.x { text-anchor: middle } .y { text-anchor: end } .name { font-weight: bold }";

impl fmt::Display for Plot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let height = plot_height(self.lines.len());
        let bottom = TOP + height;
        let all = || self.lines.iter().map(|line| &line.figures);
        // The few fastest are not what a plot of the tail is read for; one lucky record would flatten it.
        let shortest = all().filter_map(|figures| figures.percentile(5.0)).min();
        let longest = all().map(Distribution::max).max();
        let latency = LatencyScale::new(
            shortest.unwrap_or(Duration::from_micros(1)),
            longest.unwrap_or(Duration::from_millis(1)),
            bottom,
            height,
        );
        let samples = all().map(Distribution::samples).max().unwrap_or(0);
        let percentile = PercentileScale::new(samples, LEFT, PLOT_WIDTH);

        let total = bottom + FOOT;
        writeln!(
            f,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" width="{WIDTH}" height="{total}">"#
        )?;
        writeln!(f, "<style>{STYLE}</style>")?;
        writeln!(f, r#"<rect width="100%" height="100%" fill="white"/>"#)?;
        text(f, LEFT, 32.0, r#"class="title""#, &self.title)?;
        let subtitle =
            "How long it took, by the share of records that took no longer (both axes logarithmic)";
        text(f, LEFT, 54.0, r#"class="words""#, subtitle)?;
        grid(f, &latency, &percentile, bottom)?;
        let ends = labels(&self.lines, &latency, bottom);
        for (line, label_y) in self.lines.iter().zip(ends) {
            line.draw(f, &latency, &percentile, label_y)?;
        }
        writeln!(f, "</svg>")
    }
}

impl Line {
    fn draw(
        &self,
        f: &mut fmt::Formatter<'_>,
        latency: &LatencyScale,
        percentile: &PercentileScale,
        label_y: f64,
    ) -> fmt::Result {
        let Line {
            colour,
            dashes,
            figures,
            ..
        } = self;
        let end = finest(figures.samples());
        let (end_x, end_y) = (percentile.x(end), latency.y(figures.max()));
        let label_x = LEFT + PLOT_WIDTH + 28.0;

        let mut points = String::new();
        const STEPS: u32 = 400;
        let nines = |step: u32| end * f64::from(step) / f64::from(STEPS);
        if let Some(histogram) = figures.histogram() {
            let values =
                histogram.value_at_quantiles((0..=STEPS).map(|step| quantile(nines(step))));
            for (step, value) in (0..=STEPS).zip(values) {
                let y = latency.y(Duration::from_nanos(value));
                write!(points, "{:.1},{y:.1} ", percentile.x(nines(step)))?;
            }
        }
        writeln!(
            f,
            r#"<polyline points="{points}{end_x:.1},{end_y:.1}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}" stroke-linejoin="round"/>"#
        )?;
        writeln!(
            f,
            r#"<circle cx="{end_x:.1}" cy="{end_y:.1}" r="3.5" fill="{colour}"/>"#
        )?;
        // From the dot to its label.
        writeln!(
            f,
            r#"<polyline points="{end_x:.1},{end_y:.1} {:.1},{end_y:.1} {:.1},{label_y:.1}" fill="none" stroke="{colour}" stroke-width="0.8" stroke-dasharray="2 3"/>"#,
            LEFT + PLOT_WIDTH,
            label_x - 5.0,
        )?;
        let bold = format!(r#"class="name" style="fill:{colour}""#);
        text(f, label_x, label_y, &bold, &self.label)?;
        let mut told = String::new();
        for percentile in [50.0, 99.0, 99.9] {
            if let Some(figure) = figures.percentile(percentile) {
                write!(told, "p{percentile} {} · ", brief(figure))?;
            }
        }
        let told = format!("{told}max {}", brief(figures.max()));
        text(f, label_x, label_y + 15.0, r#"class="told""#, &told)
    }
}

/// The picture grows when the labels need more room than the plot.
fn plot_height(lines: usize) -> f64 {
    PLOT_HEIGHT.max(lines as f64 * LABEL_PITCH)
}

fn grid(
    f: &mut fmt::Formatter<'_>,
    latency: &LatencyScale,
    percentile: &PercentileScale,
    bottom: f64,
) -> fmt::Result {
    let (right, middle) = (LEFT + PLOT_WIDTH, LEFT + PLOT_WIDTH / 2.0);
    let line = |f: &mut fmt::Formatter<'_>, [x1, y1, x2, y2]: [f64; 4], colour: &str| {
        writeln!(
            f,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}"/>"#
        )
    };
    for (at, label) in latency.marks() {
        let y = latency.y(at);
        let colour = if label.is_some() {
            "#dddddd"
        } else {
            "#f2f2f2"
        };
        line(f, [LEFT, y, right, y], colour)?;
        if let Some(label) = label {
            text(f, LEFT - 8.0, y + 4.5, r#"class="y""#, &label)?;
        }
    }
    for (nines, label) in percentile.marks() {
        let x = percentile.x(nines);
        line(f, [x, TOP, x, bottom], "#dddddd")?;
        text(f, x, bottom + 20.0, r#"class="x""#, &label)?;
    }
    line(f, [LEFT, bottom, right, bottom], "#888888")?;
    let axis = "percentile of the records";
    text(f, middle, bottom + 46.0, r#"class="words x""#, axis)
}

/// Where each line's label goes: beside its end, but clear of the others.
fn labels(lines: &[Line], latency: &LatencyScale, bottom: f64) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = lines
        .iter()
        .map(|line| latency.y(line.figures.max()) + 4.0)
        .enumerate()
        .collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free = TOP + 4.0;
    for (_, y) in &mut order {
        *y = y.max(free);
        free = *y + LABEL_PITCH;
    }
    let mut free = bottom - 14.0;
    for (_, y) in order.iter_mut().rev() {
        *y = y.min(free);
        free = *y - LABEL_PITCH;
    }
    order.sort_by_key(|&(line, _)| line);
    order.into_iter().map(|(_, y)| y).collect()
}

fn text(f: &mut fmt::Formatter<'_>, x: f64, y: f64, style: &str, text: &str) -> fmt::Result {
    write!(f, r#"<text x="{x:.1}" y="{y:.1}" {style}>"#)?;
    for c in text.chars() {
        match c {
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '&' => f.write_str("&amp;")?,
            // XML has no place for them, not even escaped.
            c if c.is_control() => f.write_char(' ')?,
            c => f.write_char(c)?,
        }
    }
    writeln!(f, "</text>")
}

#[cfg(test)]
mod tests {
    use super::super::LatencyReport;
    use super::*;

    fn of(samples: u64, micros: u64) -> Distribution {
        let mut figures = Distribution::default();
        for n in 0..samples {
            figures.record(Duration::from_micros(micros + n), 3);
        }
        figures
    }

    /// The values of an attribute, wherever it stands.
    fn numbers(svg: &str, attribute: &str) -> Vec<f64> {
        svg.split(&format!(" {attribute}=\""))
            .skip(1)
            .filter_map(|rest| rest.split('"').next()?.parse().ok())
            .collect()
    }

    #[test]
    fn labels_stay_apart_and_in_the_picture() {
        for lines in [1, 2, 8, 25] {
            let mut plot = Plot::new("many");
            for _ in 0..lines {
                plot = plot.line("the same", &of(10, 100));
            }
            let plot = plot.machine(&of(10, 100));
            let height = plot_height(plot.lines.len());
            let total = TOP + height + FOOT;
            let scale = LatencyScale::new(
                Duration::from_micros(100),
                Duration::from_micros(110),
                TOP + height,
                height,
            );
            let mut ys = labels(&plot.lines, &scale, TOP + height);
            ys.sort_by(f64::total_cmp);
            assert!(
                ys.windows(2)
                    .all(|pair| pair[1] - pair[0] >= LABEL_PITCH - 0.01)
            );
            let svg = plot.to_string();
            assert!(numbers(&svg, "x").iter().all(|x| (0.0..WIDTH).contains(x)));
            assert!(numbers(&svg, "y").iter().all(|y| (0.0..total).contains(y)));
        }
    }

    #[test]
    fn a_line_goes_no_further_than_its_samples_tell() {
        let svg = Plot::new("two")
            .line("few", &of(10, 100))
            .line("many", &of(1_000, 100))
            .to_string();
        let ends = numbers(&svg, "cx");
        let scale = PercentileScale::new(1_000, LEFT, PLOT_WIDTH);
        assert_eq!(ends, [scale.x(1.0), scale.x(3.0)]);
    }

    #[test]
    fn what_users_call_things_does_not_break_the_picture() {
        let svg = Plot::new("a < b & \"c\"\n")
            .line(&"<ü>\0".repeat(40), &of(1, 1))
            .to_string();
        assert!(svg.contains(">a &lt; b &amp; \"c\" </text>"), "{svg}");
        assert!(!svg.contains("<ü>") && !svg.contains('\0'));
        assert!(svg.ends_with("</svg>\n"));
    }

    #[test]
    fn an_empty_report_is_an_empty_picture() {
        let svg = LatencyReport::default().plot("nothing").to_string();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(numbers(&svg, "cx").is_empty());
    }
}
