//! Standard output as a sink.

use std::io::{self, Write as _};

use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Batch;
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use millstream_engine::{Error, Result, runtime};

use crate::codec::{Encoder, Format, WriteFormat};
use crate::frame_writer::FrameWriter;
use crate::framing::{Framing, Lines};

const NAME: &str = "standard output";

/// Standard output, to be given a format.
///
/// When nobody reads it any more, the flow ends quietly.
pub fn stdout() -> Stdout {
    Stdout(())
}

/// See [`stdout`].
#[derive(Debug)]
pub struct Stdout(());

impl WriteFormat for Stdout {
    type Records = Lines;
    type Sink<F: Framing, E: Encoder> = StdoutSink<F, E>;

    fn format<F: Framing, E: Encoder>(self, format: Format<F, E>) -> StdoutSink<F, E> {
        let output = Box::new(io::stdout());
        StdoutSink { output, format }
    }
}

type Output = Box<dyn io::Write + Send>;

/// Records to standard output.
pub struct StdoutSink<F, E> {
    output: Output,
    format: Format<F, E>,
}

/// Writes to a [`StdoutSink`].
pub struct StdoutWriter<F, E> {
    /// Away while it is written to.
    output: Option<Output>,
    frames: FrameWriter<F, E>,
    spare: Vec<u8>,
}

impl<F: Framing, E: Encoder> Sink for StdoutSink<F, E> {
    type In = E::In;
    type Writer = StdoutWriter<F, E>;

    async fn open(self, _: SinkSetup) -> Result<Vec<Self::Writer>> {
        Ok(vec![StdoutWriter {
            output: Some(self.output),
            frames: FrameWriter::new(self.format),
            spare: Vec::new(),
        }])
    }
}

impl<F: Framing, E: Encoder> SinkWriter for StdoutWriter<F, E> {
    type In = E::In;

    async fn write(&mut self, batch: &mut Batch<E::In>, bad: &mut Vec<BadRecord>) -> Result<()> {
        for record in batch.records.drain(..) {
            self.frames.append(&record.value, NAME, bad);
            if self.frames.is_full() {
                self.write_out().await?;
            }
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<()> {
        self.write_out().await
    }

    async fn flush(&mut self, _: &mut Vec<BadRecord>) -> Result<()> {
        self.write_out().await
    }
}

impl<F: Framing, E: Encoder> StdoutWriter<F, E> {
    async fn write_out(&mut self) -> Result<()> {
        if self.frames.bytes().is_empty() {
            return Ok(());
        }
        let Some(mut output) = self.output.take() else {
            return Err(Error::internal("standard output is in use"));
        };
        let bytes = self.frames.take(std::mem::take(&mut self.spare));
        let write = move || {
            let written = output.write_all(&bytes).and_then(|()| output.flush());
            (output, bytes, written)
        };
        let (output, mut bytes, written) = runtime::blocking(write).await;
        bytes.clear();
        (self.output, self.spare) = (Some(output), bytes);
        written.map_err(|cause| match cause.kind() {
            io::ErrorKind::BrokenPipe => Error::closed("nobody reads standard output any more"),
            _ => Error::connection("cannot write to standard output").caused_by(cause),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Format, Text, json_lines};
    use crate::memory::batch_of;
    use millstream_engine::ErrorKind;
    use millstream_engine::runtime::block_on;
    use std::io::Read;

    async fn open<F: Framing, E: Encoder>(
        output: io::PipeWriter,
        format: Format<F, E>,
    ) -> StdoutWriter<F, E> {
        let output = Box::new(output);
        let sink = StdoutSink { output, format };
        let opened = sink.open(SinkSetup::new("out", 1)).await;
        opened.unwrap().remove(0)
    }

    #[test]
    fn what_is_pushed_can_be_read() {
        block_on(async {
            let (mut reader, output) = io::pipe().unwrap();
            let mut writer = open(output, json_lines::<u32>()).await;
            writer
                .write(&mut batch_of([1, 2]), &mut vec![])
                .await
                .unwrap();
            writer.hand_over().await.unwrap();
            let mut read = [0; 4];
            reader.read_exact(&mut read).unwrap();
            assert_eq!(&read, b"1\n2\n");
        });
    }

    #[test]
    fn a_closed_pipe_ends_the_flow_quietly() {
        block_on(async {
            let (reader, output) = io::pipe().unwrap();
            drop(reader);
            let mut writer = open(output, json_lines::<u32>()).await;
            writer.write(&mut batch_of([1]), &mut vec![]).await.unwrap();
            let error = writer.hand_over().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Closed);
        });
    }

    #[test]
    fn a_record_without_a_form_is_a_bad_one() {
        block_on(async {
            let (_reader, output) = io::pipe().unwrap();
            let format = Format::new(Lines::new(), Text::<&str>::new());
            let mut writer = open(output, format).await;
            let mut bad = vec![];
            writer
                .write(&mut batch_of(["a", "two\nlines"]), &mut bad)
                .await
                .unwrap();
            assert_eq!(bad.len(), 1);
            assert_eq!(bad[0].position, "record 2");
        });
    }
}
