//! Standard input as a source.

use std::io::{self, Read as _};

use futures::future::BoxFuture;
use millstream_engine::batch::PartitionId;
use millstream_engine::runtime::{self, Instant};
use millstream_engine::source::{
    Intake, Position, Read, Replay, Source, SourceReader, SourceSetup,
};
use millstream_engine::{Error, Result};

use crate::codec::{Decoder, Format, ReadFormat};
use crate::frame_reader::FrameReader;
use crate::framing::{Framing, Lines};

const NAME: &str = "standard input";
/// How much is read at once: what a pipe holds.
const ROOM: usize = 64 << 10;

/// Standard input, to be given a format.
///
/// What was read and not yet handed on is lost in a crash.
pub fn stdin() -> Stdin {
    Stdin(())
}

/// See [`stdin`].
#[derive(Debug)]
pub struct Stdin(());

impl ReadFormat for Stdin {
    type Records = Lines;
    type Source<F: Framing, D: Decoder> = StdinSource<F, D>;

    fn format<F: Framing, D: Decoder>(self, format: Format<F, D>) -> StdinSource<F, D> {
        let input = Box::new(io::stdin());
        StdinSource { input, format }
    }
}

type Input = Box<dyn io::Read + Send>;

/// Records from standard input.
pub struct StdinSource<F, D> {
    input: Input,
    format: Format<F, D>,
}

impl<F: Framing, D: Decoder> Source for StdinSource<F, D> {
    type Out = D::Out;
    type Reader = StdinReader<F, D>;

    fn is_bounded(&self) -> bool {
        false
    }

    fn replay(&self) -> Replay {
        Replay::Never
    }

    async fn open(self, _: SourceSetup) -> Result<Vec<Self::Reader>> {
        if runtime::is_simulated() {
            let message = "a simulated flow has no standard input: give it records from memory";
            return Err(Error::config(message));
        }
        Ok(vec![StdinReader {
            doing: Doing::Taking(self.input, FrameReader::new(self.format)),
            arrival: runtime::now(),
        }])
    }
}

/// Reads a [`StdinSource`].
pub struct StdinReader<F, D> {
    doing: Doing<F, D>,
    /// When the last bytes were read.
    arrival: Instant,
}

enum Doing<F, D> {
    Taking(Input, FrameReader<F, D>),
    /// Elsewhere, for it blocks. It is kept here so that a read that is given up loses nothing.
    Reading(BoxFuture<'static, (Input, FrameReader<F, D>, io::Result<usize>)>),
    Ended,
}

impl<F: Framing, D: Decoder> SourceReader for StdinReader<F, D> {
    type Out = D::Out;

    async fn read(&mut self, intake: &mut Intake<D::Out>) -> Result<Read> {
        loop {
            match &mut self.doing {
                Doing::Ended => return Ok(Read::End),
                Doing::Reading(reading) => {
                    let (input, mut frames, read) = reading.await;
                    let read = read.map_err(|cause| {
                        Error::connection("cannot read standard input").caused_by(cause)
                    });
                    self.arrival = runtime::now();
                    frames.filled(read?);
                    self.doing = Doing::Taking(input, frames);
                }
                Doing::Taking(_, frames) if frames.has_frames() => {
                    intake.begin(PartitionId::ONLY, self.arrival);
                    frames.take(NAME, intake)?;
                    if !intake.is_empty() {
                        return Ok(Read::More);
                    }
                }
                Doing::Taking(..) => self.read_on(),
            }
        }
    }

    fn positions(&self) -> Vec<Position> {
        Vec::new()
    }
}

impl<F: Framing, D: Decoder> StdinReader<F, D> {
    fn read_on(&mut self) {
        let Doing::Taking(mut input, mut frames) = std::mem::replace(&mut self.doing, Doing::Ended)
        else {
            return;
        };
        if !frames.is_finished() {
            self.doing = Doing::Reading(Box::pin(runtime::blocking(move || {
                let read = loop {
                    match input.read(frames.room(ROOM)) {
                        Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                        read => break read,
                    }
                };
                (input, frames, read)
            })));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::lines;
    use millstream_engine::runtime::block_on;
    use std::io::Write;
    use std::time::Duration;

    #[test]
    fn it_gives_what_is_there_and_ends_with_its_input() {
        block_on(async {
            let (input, mut writer) = io::pipe().unwrap();
            let source = StdinSource {
                input: Box::new(input),
                format: lines(),
            };
            let opened = source.open(SourceSetup::first("in", 1)).await;
            let mut reader = opened.unwrap().remove(0);
            let mut intake = Intake::new();
            // Given up while it blocks: what comes then is not lost.
            let impatient = runtime::timeout(Duration::from_millis(1), reader.read(&mut intake));
            assert!(impatient.await.is_none());
            writer.write_all(b"one\ntwo\nthr").unwrap();
            assert_eq!(reader.read(&mut intake).await.unwrap(), Read::More);
            assert_eq!(intake.take_values(), ["one", "two"]);
            writer.write_all(b"ee").unwrap();
            drop(writer);
            assert_eq!(reader.read(&mut intake).await.unwrap(), Read::More);
            assert_eq!(intake.take_values(), ["three"]);
            assert_eq!(reader.read(&mut intake).await.unwrap(), Read::End);
        });
    }

    #[test]
    fn more_than_a_batch_comes_in_batches() {
        block_on(async {
            let source = StdinSource {
                input: Box::new(io::Cursor::new("x\n".repeat(50_000))),
                format: lines(),
            };
            let opened = source.open(SourceSetup::first("in", 1)).await;
            let mut reader = opened.unwrap().remove(0);
            let mut intake = Intake::new();
            let mut count = 0;
            while reader.read(&mut intake).await.unwrap() == Read::More {
                let values = intake.take_values();
                assert!((1..=Intake::<String>::ROOM).contains(&values.len()));
                count += values.len();
            }
            assert_eq!(count, 50_000);
        });
    }
}
