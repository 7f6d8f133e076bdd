//! A [`futures::Stream`] as a source.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use millstream_engine::Result;
use millstream_engine::batch::PartitionId;
use millstream_engine::runtime;
use millstream_engine::source::{
    Intake, Position, Read, Replay, Source, SourceReader, SourceSetup,
};

/// A source that gives what `stream` gives, in order and in one replica, until it ends.
///
/// What is ready at one moment becomes one batch; nothing waits for company. A flow that is restarted
/// goes on with the stream it is given then.
///
/// ```
/// use futures::StreamExt;
/// use millstream_connectors::memory::from_stream;
/// use millstream_engine::runtime;
/// use std::time::Duration;
///
/// let ticks = futures::stream::iter(0..).then(|n: u64| async move {
///     runtime::sleep(Duration::from_secs(1)).await;
///     n
/// });
/// let source = from_stream(ticks);
/// ```
pub fn from_stream<S>(stream: S) -> FromStream<S>
where
    S: Stream + Send + 'static,
    S::Item: Send + 'static,
{
    FromStream(stream)
}

/// See [`from_stream`].
#[derive(Debug)]
pub struct FromStream<S>(S);

/// Reads a [`FromStream`].
#[derive(Debug)]
pub struct StreamReader<S>(Pin<Box<S>>);

impl<S> Source for FromStream<S>
where
    S: Stream + Send + 'static,
    S::Item: Send + 'static,
{
    type Out = S::Item;
    type Reader = StreamReader<S>;

    fn is_bounded(&self) -> bool {
        false
    }

    fn replay(&self) -> Replay {
        Replay::Never
    }

    async fn open(self, _: SourceSetup) -> Result<Vec<Self::Reader>> {
        Ok(vec![StreamReader(Box::pin(self.0))])
    }
}

impl<S> SourceReader for StreamReader<S>
where
    S: Stream + Send + 'static,
    S::Item: Send + 'static,
{
    type Out = S::Item;

    async fn read(&mut self, intake: &mut Intake<Self::Out>) -> Result<Read> {
        std::future::poll_fn(|cx| Poll::Ready(Ok(std::task::ready!(self.take_ready(cx, intake)))))
            .await
    }

    fn positions(&self) -> Vec<Position> {
        Vec::new()
    }
}

impl<S: Stream> StreamReader<S> {
    /// Takes what is ready; waits only while that is nothing, so that giving up loses nothing.
    fn take_ready(&mut self, cx: &mut Context<'_>, intake: &mut Intake<S::Item>) -> Poll<Read> {
        loop {
            match self.0.as_mut().poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    if intake.arrival().is_none() || intake.is_empty() {
                        intake.begin(PartitionId::ONLY, runtime::now());
                    }
                    intake.push(item);
                    if intake.is_full() {
                        return Poll::Ready(Read::More);
                    }
                }
                Poll::Ready(None) => return Poll::Ready(Read::End),
                Poll::Pending if intake.is_empty() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Read::More),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use millstream_engine::runtime::simulate;
    use std::time::Duration;

    #[test]
    fn what_is_ready_together_leaves_together() {
        simulate(1, async {
            let pause = Duration::from_secs(1);
            let slow_at_ten = futures::stream::iter(0..20).then(move |n| async move {
                if n == 10 {
                    runtime::sleep(pause).await;
                }
                n
            });
            let opened = from_stream(slow_at_ten)
                .open(SourceSetup::first("s", 1))
                .await;
            let mut reader = opened.unwrap().remove(0);
            let mut intake = Intake::new();

            assert_eq!(reader.read(&mut intake).await.unwrap(), Read::More);
            assert!(intake.take_values().into_iter().eq(0..10));
            let before = runtime::now();
            let impatient = runtime::timeout(pause / 2, reader.read(&mut intake)).await;
            assert!(impatient.is_none() && intake.is_empty());
            assert_eq!(reader.read(&mut intake).await.unwrap(), Read::End);
            assert!(intake.arrival().unwrap() - before >= pause);
            assert!(intake.take_values().into_iter().eq(10..20));
        })
        .unwrap();
    }
}
