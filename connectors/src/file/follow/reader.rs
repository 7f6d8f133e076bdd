//! The reader of followed files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_engine::batch::PartitionId;
use millstream_engine::runtime::{self, Instant, Task};
use millstream_engine::source::{Intake, PartitionNews, Position, Read, SourceReader};
use millstream_engine::{Error, Result};

use super::identity::{Fingerprint, Identity, Saved};
use super::tails::{News, Tails};
use crate::codec::{Decoder, Format, FrameDecoder};
use crate::framing::{Framing, ReadBuffer};

/// The reader of [`FollowSource`](super::FollowSource).
pub struct FollowReader<F, D> {
    tails: Arc<Mutex<Tails>>,
    poll: Duration,
    format: Format<F, D>,
    files: BTreeMap<Identity, Followed<F, D>>,
    /// Of an earlier run, not met again yet.
    saved: BTreeMap<Identity, Saved>,
    partitions: u32,
    /// The file that is being decoded.
    current: Option<Identity>,
    looking: Option<Task<Result<News>>>,
    /// A buffer to read into again.
    spare: Vec<u8>,
}

/// One file: what was read of it, and how it is decoded.
struct Followed<F, D> {
    name: Arc<str>,
    partition: PartitionId,
    fingerprint: Fingerprint,
    decoder: FrameDecoder<F, D>,
    buffer: ReadBuffer,
    read_at: Instant,
    ending: Ending,
}

/// Whether what is in the buffer is the last of the file.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    No,
    Truncated(Fingerprint),
    Finished,
}

impl<F: Framing, D: Decoder> FollowReader<F, D> {
    pub(super) fn new(
        tails: Arc<Mutex<Tails>>,
        poll: Duration,
        format: Format<F, D>,
        saved: Vec<Saved>,
    ) -> Self {
        FollowReader {
            tails,
            poll,
            format,
            files: BTreeMap::new(),
            saved: saved
                .into_iter()
                .map(|saved| (saved.identity, saved))
                .collect(),
            partitions: 0,
            current: None,
            looking: None,
            spare: Vec::new(),
        }
    }

    /// Decodes what is at hand of the current file.
    fn decode(&mut self, intake: &mut Intake<D::Out>) -> Result<()> {
        let current = self
            .current
            .and_then(|file| Some((file, self.files.get_mut(&file)?)));
        let Some((identity, file)) = current else {
            self.current = None;
            return Ok(());
        };
        let end = file.ending != Ending::No;
        intake.begin(file.partition, file.read_at);
        let used = file
            .decoder
            .take(file.buffer.pending(), end, &file.name, intake)?;
        file.buffer.consume(used);
        if intake.is_full() || used > 0 {
            return Ok(());
        }
        // It has no whole frame any more.
        self.current = None;
        match file.ending {
            Ending::No => {}
            Ending::Truncated(fingerprint) => {
                file.ending = Ending::No;
                file.fingerprint = fingerprint;
                file.decoder = FrameDecoder::new(self.format.clone());
            }
            Ending::Finished => {
                intake.partition(PartitionNews::Revoked(file.partition));
                self.files.remove(&identity);
            }
        }
        Ok(())
    }

    fn hear(&mut self, news: News, intake: &mut Intake<D::Out>) -> Result<()> {
        match news {
            News::Opened {
                file,
                name,
                fingerprint,
                resumed,
            } => {
                let name: Arc<str> = name.into();
                let partition = PartitionId(self.partitions);
                self.partitions += 1;
                intake.partition(PartitionNews::Assigned(partition, name.clone()));
                self.saved.remove(&file);
                let followed = Followed {
                    decoder: self.decoder(resumed, &name)?,
                    name,
                    partition,
                    fingerprint,
                    buffer: ReadBuffer::new(),
                    read_at: runtime::now(),
                    ending: Ending::No,
                };
                self.files.insert(file, followed);
            }
            News::Bytes(identity, bytes, read_at) => {
                if let Some(file) = self.files.get_mut(&identity) {
                    file.buffer.room(bytes.len()).copy_from_slice(&bytes);
                    file.buffer.filled(bytes.len());
                    file.read_at = read_at;
                }
                self.spare = bytes;
                self.current = Some(identity);
            }
            News::Known(identity, fingerprint) => {
                if let Some(file) = self.files.get_mut(&identity) {
                    file.fingerprint = fingerprint;
                }
            }
            News::Truncated(identity, fingerprint) => {
                self.end(identity, Ending::Truncated(fingerprint));
            }
            News::Finished(identity) => self.end(identity, Ending::Finished),
            News::Gone(identity) => {
                self.saved.remove(&identity);
            }
            News::Nothing => {}
        }
        Ok(())
    }

    fn end(&mut self, identity: Identity, ending: Ending) {
        if let Some(file) = self.files.get_mut(&identity) {
            file.ending = ending;
            self.current = Some(identity);
        }
    }

    fn decoder(&self, resumed: Option<(Saved, Vec<u8>)>, name: &str) -> Result<FrameDecoder<F, D>> {
        let mut decoder = FrameDecoder::new(self.format.clone());
        if let Some((saved, head)) = resumed {
            decoder.take_head(&head, false, name)?;
            decoder = decoder.at(saved.offset, saved.frames);
        }
        Ok(decoder)
    }
}

impl<F: Framing, D: Decoder> SourceReader for FollowReader<F, D> {
    type Out = D::Out;

    async fn read(&mut self, intake: &mut Intake<D::Out>) -> Result<Read> {
        loop {
            self.decode(intake)?;
            if !intake.is_empty() {
                return Ok(Read::More);
            }
            if self.current.is_some() {
                // A file of blank lines must not keep the thread.
                runtime::yield_now().await;
                continue;
            }
            let looking = self.looking.get_or_insert_with(|| {
                let tails = self.tails.clone();
                let bytes = std::mem::take(&mut self.spare);
                runtime::spawn(runtime::blocking(move || {
                    let mut tails = tails.lock().unwrap_or_else(PoisonError::into_inner);
                    tails.next(bytes)
                }))
            });
            let outcome = looking.await;
            self.looking = None;
            let news = outcome
                .map_err(|cause| Error::internal("the following of a file").caused_by(cause))??;
            if matches!(news, News::Nothing) {
                runtime::sleep(self.poll).await;
            }
            self.hear(news, intake)?;
        }
    }

    fn positions(&self) -> Vec<Position> {
        let files = self.files.iter().map(|(identity, file)| Saved {
            name: file.name.to_string(),
            identity: *identity,
            fingerprint: file.fingerprint,
            offset: file.decoder.offset(),
            frames: file.decoder.frames(),
        });
        let all = files.chain(self.saved.values().cloned());
        let position = |saved: Saved| Position {
            split: format!("{} ({})", saved.name, saved.identity),
            // There is nothing in it that JSON cannot hold.
            state: serde_json::to_vec(&saved).unwrap_or_default(),
        };
        all.map(position).collect()
    }
}
