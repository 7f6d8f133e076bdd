//! An iterator as a source.

use millstream_engine::batch::PartitionId;
use millstream_engine::runtime;
use millstream_engine::source::{
    Intake, Position, Read, Replay, Source, SourceReader, SourceSetup,
};
use millstream_engine::{Error, Result};

/// A source that gives what `items` gives, in order and in one replica.
///
/// The iterator must not block: waiting is for [`from_stream`](super::from_stream). It may be endless.
///
/// ```
/// use millstream_connectors::memory::from_iter;
///
/// let squares = from_iter((1..=10).map(|n| n * n));
/// let words = from_iter(["to", "be", "or", "not"]);
/// ```
///
/// A flow that goes on from a saved position takes as many items as were taken before and drops them:
/// the iterator must give the same ones again.
pub fn from_iter<I>(items: I) -> FromIter<I::IntoIter>
where
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    I::Item: Send + 'static,
{
    FromIter {
        items: items.into_iter(),
        one_by_one: false,
    }
}

/// See [`from_iter`].
#[derive(Clone, Debug)]
pub struct FromIter<I> {
    items: I,
    one_by_one: bool,
}

impl<I> FromIter<I> {
    /// Each item is a batch of its own, so that a watermark can go behind each: for tests of what late records do, or of
    /// what comes between two. (Watermarks go between batches, and the items of a short iterator are else in one.)
    ///
    /// ```
    /// use millstream_connectors::memory::from_iter;
    ///
    /// let seconds = from_iter([5, 20, 7]).one_by_one(); // 7 is late for 20
    /// ```
    #[must_use]
    pub fn one_by_one(self) -> Self {
        FromIter {
            one_by_one: true,
            ..self
        }
    }
}

/// Reads a [`FromIter`].
#[derive(Debug)]
pub struct IterReader<I> {
    items: I,
    one_by_one: bool,
    taken: u64,
}

impl<I> Source for FromIter<I>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
{
    type Out = I::Item;
    type Reader = IterReader<I>;

    fn is_bounded(&self) -> bool {
        true
    }

    fn replay(&self) -> Replay {
        Replay::FromStart
    }

    async fn open(self, setup: SourceSetup) -> Result<Vec<Self::Reader>> {
        let taken = match setup.positions.unwrap_or_default().first() {
            Some(position) => count_of(position)?,
            None => 0,
        };
        let mut items = self.items;
        if let Some(last) = taken.checked_sub(1) {
            let last = usize::try_from(last).unwrap_or(usize::MAX);
            // What there is no more of is simply the end.
            let _ = items.nth(last);
        }
        Ok(vec![IterReader {
            items,
            one_by_one: self.one_by_one,
            taken,
        }])
    }
}

fn count_of(position: &Position) -> Result<u64> {
    let count = std::str::from_utf8(&position.state).ok();
    count.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Error::state(format!(
            "the position `{}` is not one of an iterator",
            position.split
        ))
    })
}

impl<I> SourceReader for IterReader<I>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
{
    type Out = I::Item;

    async fn read(&mut self, intake: &mut Intake<Self::Out>) -> Result<Read> {
        if self.one_by_one {
            // Whoever has to wait for a reader sends what it has.
            runtime::yield_now().await;
        }
        intake.begin(PartitionId::ONLY, runtime::now());
        while !intake.is_full() {
            let Some(item) = self.items.next() else {
                return Ok(Read::End);
            };
            self.taken += 1;
            intake.push(item);
            if self.one_by_one {
                break;
            }
        }
        Ok(Read::More)
    }

    fn positions(&self) -> Vec<Position> {
        vec![Position {
            split: "items".into(),
            state: self.taken.to_string().into_bytes(),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use millstream_engine::runtime::block_on;

    async fn open(setup: SourceSetup) -> IterReader<std::ops::Range<usize>> {
        from_iter(0..1_300).open(setup).await.unwrap().remove(0)
    }

    #[test]
    fn it_ends_and_goes_on_behind_what_was_taken() {
        block_on(async {
            let mut intake = Intake::new();
            let mut reader = open(SourceSetup::first("numbers", 4)).await;
            assert_eq!(reader.read(&mut intake).await.unwrap(), Read::More);
            let mut taken = intake.take_values();
            assert_eq!(taken.len(), Intake::<usize>::ROOM);

            let resumed = SourceSetup::first("numbers", 1).resumed(reader.positions());
            let mut reader = open(resumed).await;
            while reader.read(&mut intake).await.unwrap() == Read::More {
                taken.extend(intake.take_values());
            }
            taken.extend(intake.take_values());
            assert!(taken.into_iter().eq(0..1_300));

            // The end is a position too, even of an iterator that is shorter now.
            let mut setup = SourceSetup::first("numbers", 1).resumed(reader.positions());
            let mut reader = open(setup.clone()).await;
            assert_eq!(reader.read(&mut intake).await.unwrap(), Read::End);
            assert!(intake.is_empty());

            setup.positions.as_mut().unwrap()[0].state = b"?".into();
            assert!(from_iter(0..1).open(setup).await.is_err());
        });
    }

    #[test]
    fn one_by_one_each_waits_for_the_one_before_to_be_sent() {
        block_on(async {
            let source = from_iter(0..3).one_by_one();
            let opened = source.open(SourceSetup::first("numbers", 1)).await;
            let (mut reader, mut intake) = (opened.unwrap().remove(0), Intake::new());
            for n in 0..3 {
                // A reader that has something at once is read on, and the task gathers; one that is given up loses nothing.
                assert!(reader.read(&mut intake).now_or_never().is_none());
                assert_eq!(reader.read(&mut intake).await.unwrap(), Read::More);
                assert_eq!(intake.take_values(), [n]);
            }
            assert_eq!(reader.read(&mut intake).await.unwrap(), Read::End);
        });
    }
}
