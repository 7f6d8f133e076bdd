//! A closure as a sink, and the sink that throws everything away.

use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Batch;
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};

/// A sink that calls `call` with every record, in one replica. The closure must not block.
///
/// ```
/// use millstream_connectors::memory::for_each;
///
/// let mut sum = 0;
/// let sink = for_each(move |n: u64| {
///     sum += n;
///     println!("{n}, in all {sum}");
/// });
/// ```
pub fn for_each<T, F>(call: F) -> ForEach<T, F>
where
    T: Send + 'static,
    F: FnMut(T) + Send + 'static,
{
    ForEach(call, PhantomData)
}

/// See [`for_each`].
#[derive(Debug)]
pub struct ForEach<T, F>(F, PhantomData<fn(T)>);

/// Writes to a [`ForEach`].
#[derive(Debug)]
pub struct ForEachWriter<T, F>(F, PhantomData<fn(T)>);

impl<T: Send + 'static, F: FnMut(T) + Send + 'static> Sink for ForEach<T, F> {
    type In = T;
    type Writer = ForEachWriter<T, F>;

    async fn open(self, _: SinkSetup) -> Result<Vec<Self::Writer>> {
        Ok(vec![ForEachWriter(self.0, PhantomData)])
    }
}

impl<T: Send + 'static, F: FnMut(T) + Send + 'static> SinkWriter for ForEachWriter<T, F> {
    type In = T;

    async fn write(&mut self, batch: &mut Batch<T>, _: &mut Vec<BadRecord>) -> Result<()> {
        for record in batch.records.drain(..) {
            (self.0)(record.value);
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

/// A sink that throws everything away, at any parallelism: to measure what comes before it.
pub fn discard<T: Send + 'static>() -> Discard<T> {
    Discard(PhantomData)
}

/// See [`discard`].
#[derive(Debug)]
pub struct Discard<T>(PhantomData<fn(T)>);

/// Writes to a [`Discard`].
#[derive(Debug)]
pub struct DiscardWriter<T>(PhantomData<fn(T)>);

impl<T: Send + 'static> Sink for Discard<T> {
    type In = T;
    type Writer = DiscardWriter<T>;

    fn max_parallelism(&self) -> usize {
        usize::MAX
    }

    async fn open(self, setup: SinkSetup) -> Result<Vec<Self::Writer>> {
        let writers = (0..setup.parallelism).map(|_| DiscardWriter(PhantomData));
        Ok(writers.collect())
    }
}

impl<T: Send + 'static> SinkWriter for DiscardWriter<T> {
    type In = T;

    async fn write(&mut self, batch: &mut Batch<T>, _: &mut Vec<BadRecord>) -> Result<()> {
        batch.records.clear();
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
    use millstream_engine::runtime::block_on;

    #[test]
    fn the_closure_sees_every_record_in_order() {
        block_on(async {
            let (sender, receiver) = flume::unbounded();
            let sink = for_each(move |n| sender.send(n).unwrap());
            let mut writer = sink.open(SinkSetup::new("out", 2)).await.unwrap().remove(0);
            writer
                .write(&mut batch_of(0..5), &mut vec![])
                .await
                .unwrap();
            assert!(receiver.drain().eq(0..5));
        });
    }

    #[test]
    fn discarding_empties_the_batch() {
        block_on(async {
            let mut writers = discard().open(SinkSetup::new("out", 3)).await.unwrap();
            assert_eq!(writers.len(), 3);
            let mut batch = batch_of(0..5);
            writers[0].write(&mut batch, &mut vec![]).await.unwrap();
            assert!(batch.records.is_empty());
        });
    }
}
