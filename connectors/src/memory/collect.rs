//! Results gathered in a `Vec`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_engine::Result;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::{Batch, Record};
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};

/// A handle to results that are gathered in memory: all of them, without a bound.
///
/// Its sink can be made again and again, as a flow that is built again needs it; all of them fill
/// the same `Vec`.
///
/// ```
/// use millstream_connectors::Collect;
///
/// let numbers = Collect::<u64>::new();
/// // In the flow: `….sink("out", numbers.sink())`. After it ran:
/// let results: Vec<u64> = numbers.take();
/// # let sink = numbers.sink();
/// ```
pub struct Collect<T> {
    records: Arc<Mutex<Vec<Record<T>>>>,
}

impl<T> Collect<T> {
    /// With nothing in it.
    pub fn new() -> Self {
        Collect {
            records: Arc::default(),
        }
    }

    /// A sink that puts what it is given in here at once, also in a flow that fails later.
    pub fn sink(&self) -> CollectSink<T> {
        CollectSink(self.clone())
    }

    /// Takes out what is in here, in the order in which it came.
    pub fn take(&self) -> Vec<T> {
        let records = self.take_records();
        records.into_iter().map(|record| record.value).collect()
    }

    /// The same with the event times.
    pub fn take_records(&self) -> Vec<Record<T>> {
        std::mem::take(&mut *self.lock())
    }

    /// How many are in here.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Record<T>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Collect<T> {
    /// Another handle to the same results.
    fn clone(&self) -> Self {
        Collect {
            records: self.records.clone(),
        }
    }
}

impl<T> Default for Collect<T> {
    fn default() -> Self {
        Collect::new()
    }
}

impl<T> std::fmt::Debug for Collect<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collect({} records)", self.len())
    }
}

/// See [`Collect::sink`].
#[derive(Debug)]
pub struct CollectSink<T>(Collect<T>);

/// Writes to a [`Collect`].
#[derive(Debug)]
pub struct CollectWriter<T>(Collect<T>);

impl<T: Send + 'static> Sink for CollectSink<T> {
    type In = T;
    type Writer = CollectWriter<T>;

    async fn open(self, _: SinkSetup) -> Result<Vec<Self::Writer>> {
        Ok(vec![CollectWriter(self.0)])
    }
}

impl<T: Send + 'static> SinkWriter for CollectWriter<T> {
    type In = T;

    async fn write(&mut self, batch: &mut Batch<T>, _: &mut Vec<BadRecord>) -> Result<()> {
        self.0.lock().append(&mut batch.records);
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
pub(crate) mod tests {
    use super::*;
    use millstream_engine::runtime::{block_on, now};
    use millstream_engine::time::Timestamp;

    /// A batch of these values; their times are 0, 1, 2 … seconds.
    pub(crate) fn batch_of<T>(values: impl IntoIterator<Item = T>) -> Batch<T> {
        let mut batch = Batch::new(now());
        let times = (0..).map(Timestamp::from_secs);
        let records = values.into_iter().zip(times);
        batch.records = records
            .map(|(value, time)| Record { time, value })
            .collect();
        batch
    }

    #[test]
    fn all_sinks_fill_one_vec_and_taking_empties_it() {
        block_on(async {
            let collect = Collect::new();
            for start in [0, 10] {
                let opened = collect.sink().open(SinkSetup::new("out", 4)).await;
                let mut writer = opened.unwrap().remove(0);
                let mut batch = batch_of(start..start + 2);
                writer.write(&mut batch, &mut vec![]).await.unwrap();
                assert!(batch.records.is_empty());
                writer.close(&mut vec![]).await.unwrap();
            }
            assert_eq!(collect.len(), 4);
            assert_eq!(collect.clone().take(), [0, 1, 10, 11]);
            assert!(collect.is_empty());
        });
    }
}
