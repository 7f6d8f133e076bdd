//! Whole flows, built from bare operators, on virtual time.

mod doubles;
mod law;
mod planning;
mod timers;
mod witness;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Ended, Execution, Settings};
use crate::bad_record::BadRecords;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{KeyHash, Keyed};
use crate::outbox::PortMaker;
use crate::plan::{Graph, OperatorVertex, Route, VertexId};
use crate::runtime;
use crate::source::Source;
use crate::state::{Snapshot, StateKind};
use doubles::{Collect, KeyByRemainder, Numbers, Sum, collect, numbers};

const KEYS: u64 = 13;

fn sums(count: u64) -> Vec<(u64, u64)> {
    let mut sums = BTreeMap::new();
    for n in 0..count {
        *sums.entry(n % KEYS).or_insert(0) += n;
    }
    sums.into_iter().collect()
}

type MakeSum = fn() -> Sum;

/// numbers -> key -> sum -> out
fn sum_flow(numbers: Numbers, make: MakeSum, out: Collect<(u64, u64)>) -> Graph {
    let mut graph = Graph::new();
    let source = graph.add_source("numbers", numbers);
    let key = keyed(&mut graph, source);
    let sum = graph.add_operator(
        OperatorVertex::named("sum", "sum", Box::new(move |_| Box::new(make())))
            .with_port(PortMaker::moving::<(u64, u64)>())
            .with_state(StateKind::of::<(u64, u64)>("sum", 1)),
    );
    graph.connect(key.output(0), sum, 0, Route::ByKey);
    let sink = graph.add_sink("out", out);
    graph.connect(sum.output(0), sink, 0, Route::Forward);
    graph
}

fn keyed(graph: &mut Graph, source: VertexId) -> VertexId {
    let key = graph.add_operator(
        OperatorVertex::unnamed("key_by", Box::new(|_| Box::new(KeyByRemainder(KEYS))))
            .with_port(PortMaker::moving::<Keyed<u64, u64>>())
            .with_parallelism(crate::plan::Parallelism::OfInput),
    );
    graph.connect(source.output(0), key, 0, Route::Forward);
    key
}

fn settings(parallelism: usize) -> Settings {
    Settings {
        parallelism,
        channel_batches: 2,
        ..Settings::default()
    }
}

async fn run(graph: Graph, parallelism: usize) -> Result<super::Report> {
    Execution::start("test", graph, settings(parallelism), None)
        .await?
        .join()
        .await
}

fn sorted<T: Ord + Clone>(collected: &Collect<T>) -> Vec<T> {
    let mut values = collected.into.lock().unwrap().clone();
    values.sort();
    values
}

#[test]
fn every_schedule_and_parallelism_gives_the_same() {
    for parallelism in [1, 2, 5] {
        for seed in 0..20 {
            let out = collect();
            let graph = sum_flow(numbers(500), Sum::default, out.clone());
            let report = runtime::simulate(seed, run(graph, parallelism))
                .unwrap()
                .unwrap();
            assert_eq!(
                sorted(&out),
                sums(500),
                "seed {seed}, parallelism {parallelism}"
            );
            assert_eq!(report.ended, Ended::Finished);
            let metrics = report.vertex("sum").unwrap();
            assert_eq!((metrics.records_in, metrics.records_out), (500, KEYS));
        }
    }
}

#[test]
fn it_runs_on_threads_as_well() {
    let out = collect();
    let graph = sum_flow(numbers(100_000), Sum::default, out.clone());
    runtime::block_on(run(graph, 2)).unwrap();
    assert_eq!(sorted(&out), sums(100_000));
}

#[test]
fn a_failure_names_vertex_and_replica_and_stops_the_flow() {
    let makes: [(MakeSum, &str); 2] = [
        (
            || Sum {
                fails_at: Some(77),
                ..Sum::default()
            },
            "cannot add that",
        ),
        (
            || Sum {
                panics_at: Some(77),
                ..Sum::default()
            },
            "panicked: panics on purpose",
        ),
    ];
    for (make, cause) in makes {
        for seed in 0..10 {
            let graph = sum_flow(numbers(100_000), make, collect());
            let error = runtime::simulate(seed, run(graph, 2)).unwrap().unwrap_err();
            assert_eq!(
                (error.kind(), error.vertex()),
                (ErrorKind::User, Some("sum"))
            );
            let expected = KeyHash::of(&(77 % KEYS)).shard(128).owner(128, 2);
            assert_eq!(error.replica(), Some(expected));
            assert!(error.to_string().contains(cause), "{error}");
        }
    }
}

#[test]
fn stopped_at_a_barrier_it_goes_on_with_any_parallelism() {
    for (seed, (before, after)) in [(1, 4), (4, 1), (2, 3), (3, 2)].into_iter().enumerate() {
        for seed in seed as u64 * 50..seed as u64 * 50 + 25 {
            let out = collect();
            let source = Numbers {
                pause: Duration::from_millis(1),
                ..numbers(900)
            };
            let first = sum_flow(source.clone(), Sum::default, out.clone());
            let snapshot: Snapshot = runtime::simulate(seed, async {
                let running = Execution::start("test", first, settings(before), None).await?;
                runtime::sleep(Duration::from_millis(5 + seed % 60)).await;
                let (snapshot, report) = running.stop_with_snapshot().await?;
                assert_eq!(report.ended, Ended::Stopped);
                Ok::<_, Error>(snapshot)
            })
            .unwrap()
            .unwrap();
            assert_eq!(
                sorted(&out),
                [],
                "nothing is flushed by a stop at a barrier"
            );
            // Through bytes, as a file would hold it.
            let bytes = postcard::to_allocvec(&snapshot).unwrap();
            let snapshot: Snapshot = postcard::from_bytes(&bytes).unwrap();
            let second = sum_flow(source, Sum::default, out.clone());
            runtime::simulate(seed, async {
                let settings = settings(after);
                Execution::start("test", second, settings, Some(&snapshot))
                    .await?
                    .join()
                    .await
            })
            .unwrap()
            .unwrap();
            assert_eq!(sorted(&out), sums(900), "seed {seed}");
        }
    }
}

#[test]
fn a_snapshot_that_does_not_fit_is_refused_with_advice() {
    let kind = StateKind {
        name: "max<u64>".into(),
        version: 3,
    };
    let state = crate::state::VertexState {
        kind,
        ..Default::default()
    };
    let mut snapshot = Snapshot {
        epoch: 1,
        shards: 128,
        vertices: BTreeMap::new(),
    };
    snapshot.vertices.insert("sum".into(), state.clone());
    let start = |snapshot: Snapshot| {
        let graph = sum_flow(numbers(5), Sum::default, collect());
        runtime::simulate(0, async move {
            Execution::start("test", graph, settings(1), Some(&snapshot))
                .await
                .unwrap_err()
        })
        .unwrap()
    };
    let error = start(snapshot.clone());
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(
        error.to_string().contains("`max<u64>` (version 3)"),
        "{error}"
    );
    snapshot.vertices.insert("gone".into(), state);
    assert!(
        start(snapshot.clone())
            .to_string()
            .contains("vertex `gone`")
    );
    snapshot.shards = 64;
    assert!(start(snapshot).to_string().contains("64 shards"));
}

#[test]
fn stop_drains_and_commits_only_what_the_sinks_have() {
    for seed in 0..20 {
        let out = Collect {
            pause: Duration::from_millis(40),
            ..collect::<u64>()
        };
        let source = Numbers {
            pause: Duration::from_millis(3),
            ..numbers(1_000_000)
        };
        let committed = source.committed.clone();
        let mut graph = Graph::new();
        let numbers = graph.add_source("numbers", source);
        let sink = graph.add_sink("out", out.clone());
        graph.connect(numbers.output(0), sink, 0, Route::Forward);
        let report = runtime::simulate(seed, async {
            let settings = Settings {
                commit_interval: Duration::from_millis(100),
                ..settings(1)
            };
            let running = Execution::start("test", graph, settings, None).await?;
            let mut commits = 0;
            for _ in 0..40 {
                runtime::sleep(Duration::from_millis(25)).await;
                let sure = committed.load(Ordering::Relaxed);
                let has = out.into.lock().unwrap().len() as u64;
                assert!(sure <= has, "committed {sure}, but the sink has {has}");
                commits = commits.max(sure);
            }
            assert!(commits > 0, "commits happen while it runs");
            running.stop();
            running.join().await
        })
        .unwrap()
        .unwrap();
        assert_eq!(report.ended, Ended::Stopped);
        let taken = sorted(&out);
        assert_eq!(taken, (0..taken.len() as u64).collect::<Vec<_>>());
        assert_eq!(
            committed.load(Ordering::Relaxed),
            taken.len() as u64,
            "drained, then committed"
        );
        assert_eq!(
            report.vertex("numbers").unwrap().records_in,
            taken.len() as u64
        );
    }
}

#[test]
fn bad_records_follow_the_policy() {
    let flow = |policy: BadRecords, out: Collect<(u64, u64)>| {
        let source = Numbers {
            bad_at: Some(30),
            ..numbers(100)
        };
        let mut graph = Graph::new();
        let source = graph.add_source("numbers", source.on_bad_records(policy));
        let key = keyed(&mut graph, source);
        let sum = graph.add_operator(
            OperatorVertex::named("sum", "sum", Box::new(|_| Box::new(Sum::default())))
                .with_port(PortMaker::moving::<(u64, u64)>()),
        );
        graph.connect(key.output(0), sum, 0, Route::ByKey);
        let sink = graph.add_sink("out", out);
        graph.connect(sum.output(0), sink, 0, Route::Forward);
        runtime::simulate(1, run(graph, 2)).unwrap()
    };
    let error = flow(BadRecords::Fail, collect()).unwrap_err().to_string();
    assert!(
        error.contains("`numbers` (replica 0)") && error.contains("number 30: unlucky"),
        "{error}"
    );
    let mut expected = sums(100);
    expected[30 % KEYS as usize].1 -= 30;
    let out = collect();
    assert_eq!(flow(BadRecords::Skip, out.clone()).unwrap().bad(), 1);
    assert_eq!(sorted(&out), expected);
    let (out, letters) = (collect(), collect());
    assert_eq!(
        flow(BadRecords::to(letters.clone()), out.clone())
            .unwrap()
            .bad(),
        1
    );
    assert_eq!(sorted(&out), expected);
    let letters = letters.into.lock().unwrap();
    assert_eq!(
        (letters.len(), letters[0].payload.as_slice()),
        (1, b"30".as_slice())
    );
    assert_eq!(
        (&*letters[0].vertex, &*letters[0].position),
        ("numbers", "number 30")
    );
}

#[test]
fn when_nobody_listens_the_flow_ends_quietly() {
    for seed in 0..20 {
        let (head, all) = (
            Collect {
                closes_after: Some(20),
                ..collect::<u64>()
            },
            collect(),
        );
        let mut graph = Graph::new();
        let endless = Numbers {
            pause: Duration::from_millis(1),
            ..numbers(u64::MAX)
        };
        let committed = endless.committed.clone();
        let source = graph.add_source("numbers", endless);
        graph.copy_output::<u64>(source.output(0));
        for (name, sink) in [("head", head.clone()), ("all", all.clone())] {
            let sink = graph.add_sink(name, sink);
            graph.connect(source.output(0), sink, 0, Route::Forward);
        }
        let report = runtime::simulate(seed, run(graph, 1)).unwrap().unwrap();
        assert_eq!(report.ended, Ended::Stopped);
        assert_eq!(
            all.into.lock().unwrap().len() as u64,
            report.vertices[0].records_in
        );
        // What came to the head after its reader had gone was let go, so it is not committed.
        let has = head.into.lock().unwrap().len() as u64;
        assert!(committed.load(Ordering::Relaxed) <= has);
    }
}

#[test]
fn a_slow_sink_holds_the_source_back() {
    let out = Collect {
        pause: Duration::from_secs(1),
        ..collect::<u64>()
    };
    let mut graph = Graph::new();
    let source = graph.add_source("numbers", numbers(u64::MAX));
    let sink = graph.add_sink("out", out.clone());
    graph.connect(source.output(0), sink, 0, Route::Forward);
    runtime::simulate(1, async {
        let running = Execution::start("test", graph, settings(1), None)
            .await
            .unwrap();
        runtime::sleep(Duration::from_secs(100)).await;
        let read = running.metrics()[0].records_in;
        let written = out.into.lock().unwrap().len() as u64;
        // Two batches in the channel, one in hand on each side, one in the making.
        assert!(read - written <= 6 * 1024, "{read} read, {written} written");
        running.kill();
        assert_eq!(running.join().await.unwrap().ended, Ended::Killed);
    })
    .unwrap();
}
