//! Every way a stream can leave its task.

use millstream::batch::AnyBatch;
use millstream::operator::Operator;
use millstream::operators::{Either, OneOf3};
use millstream::outbox::Outbox;
use millstream::plan::Route;
use millstream::prelude::*;

/// What a flow with one output collects, in order of value, at parallelism 1 to 3.
fn collected<T>(build: impl Fn(&Scope, &Collect<T>) + Clone + Send + Sync + 'static) -> Vec<T>
where
    T: Ord + Send + std::fmt::Debug + 'static,
{
    let outcomes: Vec<_> = (1..=3)
        .map(|parallelism| {
            let results = Collect::new();
            let (out, build) = (results.clone(), build.clone());
            let flow = Flow::new("edges", move |flow| build(flow, &out));
            flow.with_parallelism(parallelism)
                .simulate(parallelism as u64)
                .unwrap();
            let mut values = results.take();
            values.sort();
            values
        })
        .collect();
    assert!(
        outcomes.windows(2).all(|two| two[0] == two[1]),
        "{outcomes:?}"
    );
    outcomes.into_iter().next().unwrap()
}

fn numbers(flow: &Scope) -> Stream<i64> {
    flow.source("numbers", from_iter(0..6))
}

#[test]
fn record_steps_fuse_and_erase() {
    let values = collected(|flow, out| {
        let seen = numbers(flow)
            .filter(|n| n % 2 == 1)
            .flat_map(|n| [n, -n])
            .erase()
            .inspect(|n| assert!(n % 2 != 0))
            .filter_map(|n| (n != 3).then_some(n * 10));
        seen.sink("out", out.sink());
    });
    assert_eq!(values, [-50, -30, -10, 10, 50]);
}

#[test]
fn a_clone_gets_every_record_and_a_union_all_of_both() {
    let values = collected(|flow, out| {
        let numbers = numbers(flow);
        let others = numbers.clone().map(|n| n + 100);
        numbers
            .filter(|n| *n < 2)
            .union(others)
            .sink("out", out.sink());
    });
    assert_eq!(values, [0, 1, 100, 101, 102, 103, 104, 105]);
}

#[test]
fn rebalance_loses_nothing_and_broadcast_reaches_every_replica() {
    let values = collected(|flow, out| {
        numbers(flow)
            .rebalance()
            .map(|n| n * n)
            .sink("out", out.sink());
    });
    assert_eq!(values, [0, 1, 4, 9, 16, 25]);
    let values = collected(|flow, out| {
        let spread = numbers(flow).broadcast().map(|n| n + 1).with_parallelism(2);
        spread.sink("out", out.sink());
    });
    assert_eq!(values, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
}

#[test]
fn a_union_keeps_how_each_of_its_streams_is_spread() {
    let flow = Flow::new("spread", |flow| {
        let others = flow.source("others", from_iter(0..3)).rebalance();
        numbers(flow).union(others).map(|n| n + 1).discard();
    });
    let plan = flow.plan().unwrap();
    let routes: Vec<_> = plan.edges.iter().map(|edge| edge.route).collect();
    assert_eq!(routes, [Route::Forward, Route::Rebalance]);
}

#[test]
fn branches_have_types_of_their_own() {
    let values = collected(|flow, out| {
        let (words, evens, rest) = numbers(flow).map(|n| n + 1).split(|n| match n {
            1 => OneOf3::First("one".to_owned()),
            n if n % 2 == 0 => OneOf3::Second(n),
            n => OneOf3::Third(n),
        });
        let (three, five) = rest.split(|n| {
            if n == 3 {
                Either::Left(n)
            } else {
                Either::Right(n)
            }
        });
        five.discard();
        let evens = evens.map(|n| format!("even {n}"));
        let three = three.map(|_| "three".to_owned());
        words.union(evens).union(three).sink("out", out.sink());
    });
    assert_eq!(values, ["even 2", "even 4", "even 6", "one", "three"]);
}

#[test]
fn whole_batches_and_operators_of_ones_own() {
    let values = collected(|flow, out| {
        numbers(flow)
            .apply(|records, port| {
                for record in records {
                    port.push(record.value as u64 + 1, record.time);
                }
            })
            .operator::<u64, _>("twice", |_| Twice)
            .sink("out", out.sink());
    });
    assert_eq!(values, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
}

struct Twice;

impl Operator for Twice {
    fn on_batch(
        &mut self,
        _input: usize,
        batch: &mut AnyBatch,
        out: &mut Outbox,
    ) -> millstream::Result<()> {
        let port = out.port::<u64>(0)?;
        for record in batch.of::<u64>()?.records.drain(..) {
            port.push(record.value, record.time);
            port.push(record.value, record.time);
        }
        Ok(())
    }
}

#[test]
fn keyed_streams_roll_leave_and_unite() {
    let values = collected(|flow, out| {
        let small = numbers(flow).key_by(|n| n % 2);
        let large = flow
            .source("large", from_iter([100, 200]))
            .key_by(|n| n % 2);
        let copy = small.clone();
        copy.values().discard();
        let highest = small
            .union(large)
            .reduce("highest", |highest, n| *highest = n.max(*highest));
        let counted = highest.fold("counted", 0, |count, _| {
            *count += 1;
            *count
        });
        counted
            .map(|key, count| (key, count))
            .sink("out", out.sink());
    });
    assert_eq!(
        values,
        [
            (0, 1),
            (0, 2),
            (0, 3),
            (0, 4),
            (0, 5),
            (1, 1),
            (1, 2),
            (1, 3)
        ]
    );
}

#[test]
fn late_records_are_a_stream_and_untimed_ones_are_counted() {
    let late = Collect::new();
    let out = late.clone();
    let flow = Flow::new("late", move |flow| {
        // More than a batch, so that the watermark passes the second half.
        let times = (0..1_200).map(|n| if n < 600 { Some(100) } else { Some(3) });
        let times = [None, None].into_iter().chain(times);
        let (windows, late) = flow
            .source("times", from_iter(times))
            .event_time(|time| time.map(Timestamp::from_secs), Lateness::none())
            .key_by(|_| ())
            .window(Tumbling::of(seconds(10)))
            .aggregate_with_late("counts", count());
        windows.discard();
        late.values().sink("late", out.sink());
    });
    let report = flow.simulate(1).unwrap();
    assert_eq!(late.take(), vec![Some(3); 600]);
    assert_eq!(report.late(), 600);
    assert_eq!(
        report
            .vertices
            .iter()
            .map(|vertex| vertex.untimed)
            .sum::<u64>(),
        2
    );
}

#[test]
fn event_time_behind_a_union_waits_for_both() {
    let flow = Flow::new("union", |flow| {
        let early = flow.source("early", from_iter(0..600));
        let late = flow.source("late", from_iter(1_000_000..1_000_600));
        late.rebalance()
            .union(early.rebalance())
            .event_time(|n| Timestamp::from_secs(*n), Lateness::none())
            .key_by(|_| ())
            .window(Tumbling::of(days(1)))
            .aggregate("counts", count())
            .discard();
    });
    for seed in 0..100 {
        let report = flow.clone().with_parallelism(1).simulate(seed).unwrap();
        assert_eq!(report.late(), 0, "seed {seed}");
    }
}
