//! Flume channels as source and sink.

use flume::{Receiver, Sender};
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Batch;
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use millstream_engine::{Error, Result};

use super::stream::{FromStream, from_stream};

/// A source that gives what is sent into a channel, until all its senders are dropped.
///
/// ```
/// use millstream_connectors::memory::from_channel;
///
/// let (sender, receiver) = flume::bounded::<String>(64);
/// let source = from_channel(receiver);
/// // Full means that the flow is behind: `send` waits.
/// sender.send("hello".into())?;
/// # Ok::<(), flume::SendError<String>>(())
/// ```
///
/// The flow should be the only one that receives: what another receiver takes is not in the flow.
pub fn from_channel<T: Send + 'static>(
    receiver: Receiver<T>,
) -> FromStream<flume::r#async::RecvStream<'static, T>> {
    // The stream keeps its place in the channel's queue between two reads; a `recv_async` that is dropped
    // half-way can swallow a wake-up.
    from_stream(receiver.into_stream())
}

/// A sink that sends into a channel, and waits while it is full.
///
/// When all receivers are dropped, nobody wants the results any more: the flow stops gracefully, as it
/// does on a closed pipe.
///
/// ```
/// use millstream_connectors::memory::into_channel;
///
/// let (sender, receiver) = flume::bounded::<u64>(64);
/// let sink = into_channel(sender);
/// // In another thread or task: `for result in receiver { … }`
/// ```
pub fn into_channel<T: Send + 'static>(sender: Sender<T>) -> IntoChannel<T> {
    IntoChannel(sender)
}

/// See [`into_channel`].
#[derive(Clone, Debug)]
pub struct IntoChannel<T>(Sender<T>);

/// Writes to an [`IntoChannel`].
#[derive(Debug)]
pub struct ChannelWriter<T>(Sender<T>);

impl<T: Send + 'static> Sink for IntoChannel<T> {
    type In = T;
    type Writer = ChannelWriter<T>;

    async fn open(self, _: SinkSetup) -> Result<Vec<Self::Writer>> {
        Ok(vec![ChannelWriter(self.0)])
    }
}

impl<T: Send + 'static> SinkWriter for ChannelWriter<T> {
    type In = T;

    async fn write(&mut self, batch: &mut Batch<T>, _: &mut Vec<BadRecord>) -> Result<()> {
        for record in batch.records.drain(..) {
            let sent = self.0.send_async(record.value).await;
            sent.map_err(|_| Error::closed("the channel's receivers are all dropped"))?;
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<()> {
        Ok(())
    }

    async fn flush(&mut self, _: &mut Vec<BadRecord>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch_of;
    use super::*;
    use millstream_engine::ErrorKind;
    use millstream_engine::runtime::{simulate, spawn, timeout};
    use millstream_engine::source::{Intake, Read, Source, SourceReader, SourceSetup};
    use std::time::Duration;

    #[test]
    fn a_channel_ends_with_its_senders_and_loses_nothing() {
        simulate(1, async {
            let (sender, receiver) = flume::bounded(2);
            let opened = from_channel(receiver)
                .open(SourceSetup::first("in", 1))
                .await;
            let mut reader = opened.unwrap().remove(0);
            let mut intake = Intake::new();
            // Read calls that are given up, before and while something comes.
            assert!(
                timeout(Duration::from_millis(1), reader.read(&mut intake))
                    .await
                    .is_none()
            );
            let sending = spawn(async move {
                for n in 0..100 {
                    sender.send_async(n).await.unwrap();
                }
            });
            let mut received = Vec::new();
            loop {
                let read = timeout(Duration::from_micros(3), reader.read(&mut intake)).await;
                received.extend(intake.take_values());
                if matches!(read, Some(Ok(Read::End))) {
                    break;
                }
            }
            sending.await.unwrap();
            assert!(received.into_iter().eq(0..100));
        })
        .unwrap();
    }

    #[test]
    fn a_dropped_receiver_ends_the_flow_quietly() {
        simulate(1, async {
            let (sender, receiver) = flume::bounded(8);
            let opened = into_channel(sender).open(SinkSetup::new("out", 1)).await;
            let mut writer = opened.unwrap().remove(0);
            writer
                .write(&mut batch_of(0..8), &mut vec![])
                .await
                .unwrap();
            assert!(receiver.drain().eq(0..8));
            drop(receiver);
            let written = writer.write(&mut batch_of(0..1), &mut vec![]).await;
            assert_eq!(written.unwrap_err().kind(), ErrorKind::Closed);
        })
        .unwrap();
    }
}
