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
    FromIter(items.into_iter())
}

/// See [`from_iter`].
#[derive(Clone, Debug)]
pub struct FromIter<I>(I);

/// Reads a [`FromIter`].
#[derive(Debug)]
pub struct IterReader<I> {
    items: I,
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
        let mut items = self.0;
        if let Some(last) = taken.checked_sub(1) {
            let last = usize::try_from(last).unwrap_or(usize::MAX);
            // What there is no more of is simply the end.
            let _ = items.nth(last);
        }
        Ok(vec![IterReader { items, taken }])
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
        intake.begin(PartitionId::ONLY, runtime::now());
        while !intake.is_full() {
            let Some(item) = self.items.next() else {
                return Ok(Read::End);
            };
            self.taken += 1;
            intake.push(item);
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
}
