//! What goes by processing time while the wall clock is set back or forth, and behind a restart under an earlier one.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::operators::{Every, RateLimit, Timer, Trigger, collect_up_to};
use millstream::prelude::*;
use millstream::runtime::{self, simulate};

use crate::stopping::parallelisms;

const COUNT: u64 = 50;

/// Which step a number came through, and the number; of what gathers them, each of its numbers.
type Told = (&'static str, u64);

/// Ten numbers a second, through all that goes by processing time.
fn all_shapes(out: &Collect<Told>) -> Flow {
    let out = out.clone();
    Flow::new("clocks", move |flow| {
        let numbers = Generator::new(|n, _| n).with_rate(10).with_count(COUNT);
        let numbers = flow.source("numbers", numbers);
        let delayed = numbers.clone().delay("delay", seconds(1), 100);
        let throttled = numbers
            .clone()
            .throttle("throttle", RateLimit::per_second(20));
        let batches = numbers.clone().batch("batch", 1_000, seconds(1));
        let windows = numbers
            .clone()
            .window_all(Tumbling::of(seconds(1)))
            .processing_time();
        let windows = windows.aggregate("window", collect_up_to(1_000, |n: &u64| *n));
        let reminded = numbers.key_by(|n| *n).process_fn(
            "timer",
            |n, due: &mut Option<u64>, turn| {
                *due = Some(n);
                turn.set_timer(Timer::ProcessingTime(turn.processing_time() + seconds(1)));
            },
            |_, due, turn| {
                if let Some(n) = due.take() {
                    turn.emit(n);
                }
            },
        );
        delayed
            .map(|n| ("delay", n))
            .union(throttled.map(|n| ("throttle", n)))
            .union(batches.flat_map(|batch| batch).map(|n| ("batch", n)))
            .union(
                windows
                    .map(|(), window| window.value.values)
                    .flat_map(|all| all)
                    .map(|n| ("window", n)),
            )
            .union(reminded.values().map(|n| ("timer", n)))
            .sink("out", out.sink());
    })
}

/// Runs it while the wall clock is set by so many seconds, after two; what had come when all but the last second's could.
fn under_a_clock_that_is_set(seed: u64, by: i64) -> BTreeMap<&'static str, u64> {
    let out = Collect::new();
    let flow = all_shapes(&out).with_parallelism(1 + seed as usize % 2);
    simulate(seed, async {
        let running = flow.start().await.unwrap();
        runtime::sleep(millis(2_050)).await;
        let wall = runtime::wall().as_micros() + by * 1_000_000;
        runtime::set_wall(Timestamp::from_micros(wall)).unwrap();
        // The last one comes at 4.9.
        runtime::sleep(millis(2_450)).await;
        let mut came = BTreeMap::new();
        for (step, _) in out.take() {
            *came.entry(step).or_default() += 1;
        }
        running.join().await.unwrap();
        came
    })
    .unwrap()
}

#[test]
fn nothing_stalls_when_the_wall_clock_is_set_back_or_forth() {
    for (seed, by) in [0, -1, -3_600, -2_000_000_000, 1, 3_600]
        .into_iter()
        .cycle()
        .take(60)
        .enumerate()
    {
        let came = under_a_clock_that_is_set(seed as u64, by);
        // A second, a batch or a window later at the most.
        let least = [
            ("delay", 34),
            ("throttle", 44),
            ("batch", 24),
            ("window", 24),
            ("timer", 34),
        ];
        for (step, least) in least {
            let came = came.get(step).copied().unwrap_or(0);
            assert!(came >= least, "{step}, set by {by} s: {came} of {COUNT}");
        }
    }
}

/// The flow as it goes on with another parallelism, stopped after so long by a clock that showed an hour more than it does
/// behind the restart.
fn stopped_an_hour_ahead(seed: u64, flow: &Flow, after: Duration) -> Flow {
    let (before, then) = parallelisms(seed);
    let first = flow.clone().with_parallelism(before);
    let snapshot = simulate(seed, async {
        let start = runtime::wall();
        runtime::set_wall(start + hours(1)).unwrap();
        let running = first.start().await.unwrap();
        runtime::sleep(after).await;
        running.stop_with_snapshot().await.unwrap().0
    });
    let rest = flow.clone().with_parallelism(then);
    rest.from_snapshot(snapshot.unwrap())
}

#[test]
fn behind_a_restart_under_an_earlier_clock_nothing_waits_for_longer_than_it_had_to() {
    let out = Collect::new();
    let results = out.clone();
    let flow = Flow::new("restarted", move |flow| {
        let numbers = Generator::new(|n, _| n).with_rate(10).with_count(10_000);
        let numbers = flow.source("numbers", numbers);
        let throttled = numbers
            .clone()
            .throttle("throttle", RateLimit::new(1, seconds(10)));
        numbers
            .delay("delay", minutes(1), 10_000)
            .map(|n| ("delay", n))
            .union(throttled.map(|n| ("throttle", n)))
            .sink("out", results.sink());
    });
    for seed in 0..30 {
        let rest = stopped_an_hour_ahead(seed, &flow, seconds(30));
        let so_far: Vec<Told> = out.take();
        assert!(so_far.iter().all(|(step, _)| *step == "throttle"));
        let came = simulate(seed, async {
            let running = rest.start().await.unwrap();
            runtime::sleep(seconds(61)).await;
            let came = out.take();
            running.handle().kill();
            running.join().await.unwrap();
            came
        });
        let came: Vec<Told> = came.unwrap();
        let of = |step| came.iter().filter(|told| told.0 == step).count();
        // What came in half a minute before the restart waited for half a minute more, and that was all.
        assert!(of("delay") >= 300, "seed {seed}: {}", of("delay"));
        assert!(
            (5..=9).contains(&of("throttle")),
            "seed {seed}: {}",
            of("throttle")
        );
    }
}

#[test]
fn behind_a_restart_under_an_earlier_clock_windows_of_processing_time_go_on() {
    let (counts, panes) = (Collect::new(), Collect::new());
    let (counted, said) = (counts.clone(), panes.clone());
    let flow = Flow::new("restarted", move |flow| {
        let numbers = Generator::new(|n, _| n).with_rate(10).with_count(10_000);
        let numbers = flow.source("numbers", numbers);
        let numbers = numbers.event_time(|n| Timestamp::from_secs(*n as i64), Lateness::none());
        let tumbling = numbers.clone().window_all(Tumbling::of(seconds(1)));
        let sliding = numbers
            .clone()
            .window_all(Sliding::of(seconds(2), seconds(2)));
        let session = numbers.clone().window_all(Session::gap(seconds(2)));
        tumbling
            .processing_time()
            .aggregate("tumbling", count())
            .map(|(), window| (0, window.value))
            .union(
                sliding
                    .processing_time()
                    .aggregate("sliding", count())
                    .map(|(), window| (1, window.value)),
            )
            .sink("counted", counted.sink());
        session
            .processing_time()
            .aggregate("session", count())
            .discard();
        let often = Trigger::at_watermark().early(Every::processing_time(seconds(1)));
        let tumbling = numbers.clone().window_all(Tumbling::of(days(1)));
        let sliding = numbers.window_all(Sliding::of(days(1), hours(12)));
        tumbling
            .trigger(often)
            .aggregate("early", count())
            .map(|(), window| (0, window.value))
            .union(
                sliding
                    .trigger(often)
                    .aggregate("early-slices", count())
                    .map(|(), window| (1, window.value)),
            )
            .sink("said", said.sink());
    });
    for seed in 0..30 {
        let rest = stopped_an_hour_ahead(seed, &flow, millis(10_550));
        let in_ten_seconds = panes.take().len();
        let report = simulate(seed, async {
            let running = rest.start().await.unwrap();
            runtime::sleep(millis(10_550)).await;
            running.stop();
            running.join().await.unwrap()
        });
        assert_eq!(report.unwrap().late(), 0, "seed {seed}");
        let again = panes.take().len();
        assert!(
            again + 6 >= in_ten_seconds && again > 20,
            "seed {seed}: {in_ten_seconds}, {again}"
        );
        let counts: Vec<(usize, u64)> = counts.take();
        for windows in [0, 1] {
            let of = counts.iter().filter(|count| count.0 == windows);
            let sum: u64 = of.map(|count| count.1).sum();
            assert!(sum >= 200, "seed {seed}: {sum}");
        }
    }
}
