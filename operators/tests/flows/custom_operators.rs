//! Operators of one's own: polled, with state, and with a mistake.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream::batch::AnyBatch;
use millstream::operator::Operator;
use millstream::outbox::Outbox;
use millstream::prelude::*;
use millstream::runtime;
use millstream::state::{StateKind, StateReader, StateWriter};

/// Holds each batch back for a while, one at a time.
#[derive(Default)]
struct Slow {
    flight: Option<BoxFuture<'static, Vec<(u64, Timestamp)>>>,
}

impl Operator for Slow {
    fn on_batch(
        &mut self,
        _: usize,
        batch: &mut AnyBatch,
        _: &mut Outbox,
    ) -> millstream::Result<()> {
        assert!(self.flight.is_none(), "a batch without room for it");
        let records = batch.of::<u64>()?.records.drain(..);
        let records: Vec<_> = records.map(|record| (record.value, record.time)).collect();
        let answer = async {
            runtime::sleep(Duration::from_millis(3)).await;
            records
        };
        self.flight = Some(answer.boxed());
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<millstream::Result<()>> {
        if let Some(flight) = &mut self.flight {
            let records = std::task::ready!(flight.as_mut().poll(cx));
            self.flight = None;
            let port = out.port(0)?;
            records
                .into_iter()
                .for_each(|(value, time)| port.push(value, time));
        }
        Poll::Ready(Ok(()))
    }

    fn has_room(&self) -> bool {
        self.flight.is_none()
    }

    fn is_polled() -> bool {
        true
    }
}

/// Adds up what comes; `DECLARED` says whether it says that it keeps state.
#[derive(Default)]
struct Total<const DECLARED: bool>(u64);

impl<const DECLARED: bool> Operator for Total<DECLARED> {
    fn on_batch(
        &mut self,
        _: usize,
        batch: &mut AnyBatch,
        out: &mut Outbox,
    ) -> millstream::Result<()> {
        for record in batch.of::<u64>()?.records.drain(..) {
            self.0 += record.value;
            out.port(0)?.push(self.0, record.time);
        }
        Ok(())
    }

    fn state_kind() -> Option<StateKind> {
        DECLARED.then(|| StateKind::of::<u64>("total", 1))
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> millstream::Result<()> {
        state.put_piece("total", &self.0)
    }

    fn restore(&mut self, state: &StateReader) -> millstream::Result<()> {
        for piece in state.pieces::<u64>() {
            self.0 += piece?.1;
        }
        Ok(())
    }
}

fn totals<const DECLARED: bool>(out: Collect<u64>) -> Flow {
    let flow = Flow::new("totals", move |flow| {
        flow.source(
            "numbers",
            Generator::new(|n, _| n).with_rate(1_000).with_count(500),
        )
        .operator::<u64, _>("slow", |_| Slow::default())
        .operator::<u64, _>("total", |_| Total::<DECLARED>::default())
        .sink("out", out.sink());
    });
    flow.with_parallelism(1)
}

#[test]
fn one_that_waits_is_polled_and_one_with_state_is_saved() {
    for seed in 0..10 {
        let out = Collect::new();
        let flow = totals::<true>(out.clone());
        runtime::simulate(seed, async move {
            let running = flow.start().await?;
            runtime::sleep(millis(150)).await;
            let (snapshot, _) = running.stop_with_snapshot().await?;
            flow.from_snapshot(snapshot).start().await?.join().await
        })
        .unwrap()
        .unwrap();
        let totals = out.take();
        assert_eq!(totals.len(), 500, "seed {seed}");
        assert_eq!(totals.last(), Some(&(0..500).sum()));
    }
}

#[test]
fn state_that_nobody_declared_is_an_error_and_not_lost() {
    let flow = totals::<false>(Collect::new());
    let outcome = runtime::simulate(1, async move {
        let running = flow.start().await?;
        runtime::sleep(millis(50)).await;
        running.stop_with_snapshot().await.map(drop)
    });
    let error = outcome.unwrap().unwrap_err().to_string();
    assert!(
        error.contains("`total`") && error.contains("of what kind"),
        "{error}"
    );
}
