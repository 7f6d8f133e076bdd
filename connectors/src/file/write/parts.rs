//! A folder of files as a sink.

use std::fs;
use std::io;
use std::path::Path;

use millstream_engine::Result;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Batch;
use millstream_engine::runtime::{self, Instant};
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};

use super::encoding::Encoding;
use super::unpublished::{Unpublished, failed};
use crate::codec::{Encoder, Format};
use crate::file::CreateParts;
use crate::framing::Framing;

/// Writes records to the files of a folder; made by [`CreateParts`] and a format.
#[derive(Clone, Debug)]
pub struct PartsSink<F, E> {
    settings: CreateParts,
    format: Format<F, E>,
}

impl<F: Framing, E: Encoder> PartsSink<F, E> {
    pub(in crate::file) fn new(settings: CreateParts, format: Format<F, E>) -> Self {
        PartsSink { settings, format }
    }
}

impl<F: Framing, E: Encoder> Sink for PartsSink<F, E> {
    type In = E::In;
    type Writer = PartsWriter<F, E>;

    fn max_parallelism(&self) -> usize {
        usize::MAX
    }

    async fn open(self, setup: SinkSetup) -> Result<Vec<PartsWriter<F, E>>> {
        let folder = self.settings.folder.clone();
        let tidied = runtime::blocking(move || tidy(&folder)).await;
        let next = tidied.map_err(|cause| failed(&self.settings.folder, cause))?;
        Ok((0..setup.parallelism.max(1))
            .map(|replica| PartsWriter {
                encoding: Encoding::new(self.format.clone()),
                settings: self.settings.clone(),
                replica,
                next,
                part: None,
            })
            .collect())
    }
}

/// Removes unfinished parts; gives the first number that is free for all replicas.
fn tidy(folder: &Path) -> io::Result<u64> {
    fs::create_dir_all(folder)?;
    let mut next = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            continue;
        };
        if name.starts_with(".part-") && name.ends_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        } else if let Some(number) = number(name) {
            next = next.max(number.saturating_add(1));
        }
    }
    Ok(next)
}

impl CreateParts {
    /// Whether a part that was begun then is to be completed.
    fn is_old(&self, begun: Instant) -> bool {
        runtime::now() - begun >= self.max_age
    }
}

const UNFINISHED: &str = ".unfinished";

/// The number in `part-REPLICA-NUMBER…`.
fn number(name: &str) -> Option<u64> {
    let (_replica, rest) = name.strip_prefix("part-")?.split_once('-')?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest.get(..digits)?.parse().ok()
}

/// One writer of [`PartsSink`].
pub struct PartsWriter<F, E> {
    settings: CreateParts,
    encoding: Encoding<F, E>,
    replica: usize,
    /// Number of the next part.
    next: u64,
    /// The part under way and when it was begun.
    part: Option<(Unpublished, Instant)>,
}

impl<F: Framing, E: Encoder> PartsWriter<F, E> {
    async fn append(&mut self) -> Result<()> {
        if self.encoding.bytes.is_empty() {
            return Ok(());
        }
        if self.part.is_none() {
            self.part = Some((self.begin().await?, runtime::now()));
        }
        if let Some((part, begun)) = &mut self.part {
            part.append(&mut self.encoding.bytes).await?;
            if part.length >= self.settings.max_bytes || self.settings.is_old(*begun) {
                self.complete().await?;
            }
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<Unpublished> {
        let (replica, number, suffix) = (self.replica, self.next, &self.settings.suffix);
        self.next += 1;
        let name = format!("part-{replica:03}-{number:06}{suffix}");
        let folder = &self.settings.folder;
        let unfinished = folder.join(format!(".{name}{UNFINISHED}"));
        Unpublished::create(unfinished, Some(folder.join(name))).await
    }

    async fn complete(&mut self) -> Result<()> {
        if let Some((part, _)) = &mut self.part {
            part.publish().await?;
            self.part = None;
            self.encoding.next_file();
        }
        Ok(())
    }
}

impl<F: Framing, E: Encoder> SinkWriter for PartsWriter<F, E> {
    type In = E::In;

    async fn write(&mut self, batch: &mut Batch<E::In>, bad: &mut Vec<BadRecord>) -> Result<()> {
        let origin = self.settings.folder.display().to_string();
        let mut records = batch.records.drain(..);
        while self.encoding.take(&mut records, &origin, bad) {
            self.append().await?;
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<()> {
        self.append().await?;
        match &mut self.part {
            Some((_, begun)) if self.settings.is_old(*begun) => self.complete().await,
            Some((part, _)) => part.written().await,
            None => Ok(()),
        }
    }

    async fn flush(&mut self, _bad: &mut Vec<BadRecord>) -> Result<()> {
        self.append().await?;
        self.complete().await
    }
}
