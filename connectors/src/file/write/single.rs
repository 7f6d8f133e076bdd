//! One file as a sink.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Batch;
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use millstream_engine::{Result, runtime};

use super::encoding::Encoding;
use super::unpublished::{Unpublished, failed, lock};
use crate::codec::{Encoder, Format};
use crate::file::CreateFile;
use crate::framing::Framing;

/// Writes records to one file; made by [`CreateFile`] and a format.
#[derive(Clone, Debug)]
pub struct FileSink<F, E> {
    settings: CreateFile,
    format: Format<F, E>,
}

impl<F: Framing, E: Encoder> FileSink<F, E> {
    pub(in crate::file) fn new(settings: CreateFile, format: Format<F, E>) -> Self {
        FileSink { settings, format }
    }
}

impl<F: Framing, E: Encoder> Sink for FileSink<F, E> {
    type In = E::In;
    type Writer = FileWriter<F, E>;

    async fn open(self, setup: SinkSetup) -> Result<Vec<FileWriter<F, E>>> {
        let path = self.settings.path;
        let origin = path.display().to_string();
        if self.settings.append {
            let file = Unpublished::append_to(path, ends_lines(&self.format.framing)).await?;
            let encoding = Encoding::new(self.format);
            return Ok(vec![FileWriter {
                origin,
                encoding: match file.length {
                    0 => encoding,
                    _ => encoding.continued(),
                },
                file,
            }]);
        }
        let (written_as, name) = match fs::metadata(&path) {
            Ok(found) if !found.is_file() => (path, None),
            _ => {
                let part = with_suffix(&path, ".part");
                let (kept, first) = (part.clone(), setup.resumed.then(|| path.clone()));
                let keeping = runtime::blocking(move || {
                    keep(&kept)?;
                    first.map_or(Ok(()), |first| keep(&first))
                });
                keeping.await.map_err(|cause| failed(&part, cause))?;
                (part, Some(path))
            }
        };
        Ok(vec![FileWriter {
            origin,
            encoding: Encoding::new(self.format),
            file: Unpublished::create(written_as, name).await?,
        }])
    }
}

/// Whether all that a frame needs to be told from others is a line end.
fn ends_lines(framing: &impl Framing) -> bool {
    let mut empty = Vec::new();
    framing.begin(&mut empty);
    framing.finish(&mut empty, 0).is_ok() && empty == b"\n"
}

/// What an earlier run left behind is kept: an epoch may cover it.
fn keep(part: &Path) -> io::Result<()> {
    if !part.try_exists()? {
        return Ok(());
    }
    lock(&fs::File::open(part)?)?;
    let mut number = 1_u64;
    loop {
        let kept = with_suffix(part, &format!(".{number}"));
        if !kept.try_exists()? {
            return fs::rename(part, kept);
        }
        number += 1;
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The writer of [`FileSink`].
pub struct FileWriter<F, E> {
    origin: String,
    encoding: Encoding<F, E>,
    file: Unpublished,
}

impl<F: Framing, E: Encoder> SinkWriter for FileWriter<F, E> {
    type In = E::In;

    async fn write(&mut self, batch: &mut Batch<E::In>, bad: &mut Vec<BadRecord>) -> Result<()> {
        let mut records = batch.records.drain(..);
        while self.encoding.take(&mut records, &self.origin, bad) {
            self.file.append(&mut self.encoding.bytes).await?;
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<()> {
        self.file.append(&mut self.encoding.bytes).await?;
        self.file.written().await
    }

    async fn flush(&mut self, _bad: &mut Vec<BadRecord>) -> Result<()> {
        self.file.append(&mut self.encoding.bytes).await?;
        self.file.synced().await
    }

    async fn close(&mut self, _bad: &mut Vec<BadRecord>) -> Result<()> {
        self.file.append(&mut self.encoding.bytes).await?;
        self.file.publish().await
    }
}
