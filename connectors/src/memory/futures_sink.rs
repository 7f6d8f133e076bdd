//! A [`futures::Sink`] as a sink.

use std::error::Error as StdError;
use std::pin::Pin;

use futures::{Sink as FuturesSink, SinkExt};
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Batch;
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use millstream_engine::{Error, Result};

/// A sink that feeds a [`futures::Sink`], in one replica, and closes it after a good end.
///
/// Its back-pressure is the flow's. An error of it fails the flow.
///
/// ```
/// use millstream_connectors::memory::into_sink;
///
/// let (sender, receiver) = futures::channel::mpsc::channel::<u64>(16);
/// let sink = into_sink(sender);
/// ```
pub fn into_sink<T, S>(sink: S) -> IntoSink<T, S>
where
    T: Send + 'static,
    S: FuturesSink<T> + Send + 'static,
    S::Error: StdError + Send + Sync + 'static,
{
    IntoSink(sink, std::marker::PhantomData)
}

/// See [`into_sink`].
#[derive(Debug)]
pub struct IntoSink<T, S>(S, std::marker::PhantomData<fn(T)>);

/// Writes to an [`IntoSink`].
#[derive(Debug)]
pub struct FuturesSinkWriter<T, S>(Pin<Box<S>>, std::marker::PhantomData<fn(T)>);

impl<T, S> Sink for IntoSink<T, S>
where
    T: Send + 'static,
    S: FuturesSink<T> + Send + 'static,
    S::Error: StdError + Send + Sync + 'static,
{
    type In = T;
    type Writer = FuturesSinkWriter<T, S>;

    async fn open(self, _: SinkSetup) -> Result<Vec<Self::Writer>> {
        Ok(vec![FuturesSinkWriter(Box::pin(self.0), self.1)])
    }
}

impl<T, S> SinkWriter for FuturesSinkWriter<T, S>
where
    T: Send + 'static,
    S: FuturesSink<T> + Send + 'static,
    S::Error: StdError + Send + Sync + 'static,
{
    type In = T;

    async fn write(&mut self, batch: &mut Batch<T>, _: &mut Vec<BadRecord>) -> Result<()> {
        for record in batch.records.drain(..) {
            self.0.feed(record.value).await.map_err(refused)?;
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<()> {
        self.0.flush().await.map_err(refused)
    }

    async fn flush(&mut self, _: &mut Vec<BadRecord>) -> Result<()> {
        self.0.flush().await.map_err(refused)
    }

    async fn close(&mut self, _: &mut Vec<BadRecord>) -> Result<()> {
        self.0.close().await.map_err(refused)
    }
}

fn refused(cause: impl StdError + Send + Sync + 'static) -> Error {
    Error::connection("the futures sink failed").caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::super::batch_of;
    use super::*;
    use futures::StreamExt;
    use futures::channel::mpsc;
    use millstream_engine::runtime::{simulate, spawn};

    #[test]
    fn a_full_one_is_waited_for_and_a_close_is_passed_on() {
        simulate(1, async {
            let (sender, receiver) = mpsc::channel(1);
            let opened = into_sink(sender).open(SinkSetup::new("out", 1)).await;
            let mut writer = opened.unwrap().remove(0);
            let received = spawn(receiver.collect::<Vec<_>>());
            writer
                .write(&mut batch_of(0..100), &mut vec![])
                .await
                .unwrap();
            writer.close(&mut vec![]).await.unwrap();
            assert!(received.await.unwrap().into_iter().eq(0..100));
        })
        .unwrap();
    }

    #[test]
    fn its_error_is_told() {
        simulate(1, async {
            let (sender, receiver) = mpsc::channel(1);
            drop(receiver);
            let opened = into_sink(sender).open(SinkSetup::new("out", 1)).await;
            let mut writer = opened.unwrap().remove(0);
            let written = writer.write(&mut batch_of(0..2), &mut vec![]).await;
            assert!(
                written
                    .unwrap_err()
                    .to_string()
                    .contains("receiver is gone")
            );
        })
        .unwrap();
    }
}
