//! Windows as one would compute them without a thought of cost.

use std::fmt::Write;

use super::*;

/// A window of a key.
#[derive(Default)]
struct Naive {
    key: char,
    start: i64,
    end: i64,
    all: Vec<i64>,
    /// What came since it last spoke.
    new: Vec<i64>,
    said: Vec<String>,
    number: u32,
    ended: bool,
    latest: i64,
}

struct Model {
    wishes: Wishes,
    now: i64,
    wall: i64,
    open: Vec<Naive>,
    results: String,
    late: String,
}

/// The results and the late records.
pub(in crate::window) fn naive(
    windows: &impl WindowAssigner,
    wishes: Wishes,
    all: &[Given],
) -> (String, String) {
    let mut model = Model {
        wishes,
        now: match wishes.domain {
            TimeDomain::EventTime => i64::MIN,
            TimeDomain::ProcessingTime => 0,
        },
        wall: 0,
        open: Vec::new(),
        results: String::new(),
        late: String::new(),
    };
    for given in all {
        match *given {
            Given::Record { key, value, time } => model.record(windows, key, value, time),
            Given::Watermark(time) => {
                model.advance(time);
                model.results += &format!("^{time} ");
                model.late += &format!("^{time} ");
            }
            Given::ProcessingTime(time) => {
                let before = std::mem::replace(&mut model.wall, time);
                if wishes.domain == TimeDomain::ProcessingTime {
                    model.advance(time);
                }
                model.pulse(before, time, |every| every.processing_time);
            }
        }
    }
    model.reach(i64::MAX);
    (model.results + "|", model.late + "|")
}

impl Model {
    fn record(&mut self, windows: &impl WindowAssigner, key: char, value: i64, time: i64) {
        let (mut assigned, mut taken) = (Vec::new(), false);
        let at = match self.wishes.domain {
            TimeDomain::EventTime => time,
            TimeDomain::ProcessingTime => self.wall,
        };
        windows.assign(Timestamp::from_micros(at), &mut |window| {
            assigned.push((window.start.as_micros(), window.end.as_micros()));
        });
        for &(start, end) in &assigned {
            let is_same = |other: &mut Naive| match windows.merges() {
                true => other.key == key && other.start < end && start < other.end,
                false => other.key == key && (other.start, other.end) == (start, end),
            };
            let mut same: Vec<_> = self.open.extract_if(.., is_same).collect();
            if same.is_empty() && end.saturating_add(self.wishes.lateness) <= self.now {
                continue;
            }
            taken = true;
            same.sort_by_key(|other| other.start);
            let mut window = Naive {
                key,
                start,
                end,
                latest: at,
                ..Naive::default()
            };
            for other in same {
                window.start = window.start.min(other.start);
                window.end = window.end.max(other.end);
                window.all.extend(other.all);
                window.new.extend(other.new);
                window.said.extend(other.said);
                window.number = window.number.max(other.number);
                window.latest = window.latest.max(other.latest);
            }
            window.all.push(value);
            window.new.push(value);
            window.ended = window.end <= self.now;
            let (every, timing) = self.phase(&window);
            if every.is_some_and(|e| e.records.is_some_and(|n| window.new.len() as u64 >= n)) {
                self.say(&mut window, timing);
            }
            self.open.push(window);
        }
        if !taken && !assigned.is_empty() {
            self.late += &format!("{key}={value}@{time} ");
        }
    }

    fn phase(&self, window: &Naive) -> (Option<Every>, Timing) {
        match window.ended {
            true => (Some(self.wishes.trigger.late), Timing::Late),
            false => (self.wishes.trigger.early, Timing::Early),
        }
    }

    fn advance(&mut self, time: i64) {
        let before = std::mem::replace(&mut self.now, time);
        self.reach(time);
        self.pulse(before, time, |every| every.time);
    }

    fn reach(&mut self, time: i64) {
        for mut window in std::mem::take(&mut self.open) {
            let ends = !window.ended && window.end <= time;
            let closes = window.end.saturating_add(self.wishes.lateness) <= time;
            window.ended |= ends;
            if (ends && self.wishes.trigger.on_time) || ((ends || closes) && !window.new.is_empty())
            {
                let timing = if ends { Timing::OnTime } else { Timing::Late };
                self.say(&mut window, timing);
            }
            if !closes {
                self.open.push(window);
            }
        }
    }

    /// Those speak that have something new, if a multiple of their period was passed.
    fn pulse(&mut self, before: i64, now: i64, period: fn(&Every) -> Option<i64>) {
        for mut window in std::mem::take(&mut self.open) {
            let (every, timing) = self.phase(&window);
            let period = every.and_then(|every| period(&every));
            let passed = period.is_some_and(|p| before.div_euclid(p) < now.div_euclid(p));
            if passed && !window.new.is_empty() {
                self.say(&mut window, timing);
            }
            self.open.push(window);
        }
    }

    fn say(&mut self, window: &mut Naive, timing: Timing) {
        let values = match self.wishes.panes {
            Panes::Discarding => &window.new,
            Panes::Accumulating | Panes::Retracting => &window.all,
        };
        if values.is_empty() {
            return;
        }
        let time = match window.end {
            i64::MAX => window.latest.max(self.now),
            end => end - 1,
        };
        let pane = format!("{}:{}..{}:{timing:?}", window.key, window.start, window.end);
        let what = format!(
            "{}:{}:{}",
            window.number,
            values.len(),
            values.iter().sum::<i64>()
        );
        for said in window.said.drain(..) {
            let _ = write!(self.results, "{said}@{time} ");
        }
        if self.wishes.panes == Panes::Retracting {
            window.said.push(format!("{pane}-{what}"));
        }
        let _ = write!(self.results, "{pane}+{what}@{time} ");
        window.number += 1;
        window.new.clear();
    }
}
