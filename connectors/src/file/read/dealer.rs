//! Deals the files out to their readers, piece by piece, in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_engine::runtime::{self, Instant};
use millstream_engine::{Error, Result};

use super::ledger::Ledger;
use super::opened::Opened;
use super::span::Span;
use crate::codec::{Decoder, Format, FrameDecoder};
use crate::file::OpenFiles;
use crate::framing::Framing;

/// What the readers of one source share.
pub(super) struct Dealer<F, D> {
    // Held while a chunk is read, by a thread that may block.
    files: Mutex<Files<F, D>>,
    // Held for moments.
    ledger: Mutex<Ledger>,
}

struct Files<F, D> {
    settings: OpenFiles,
    format: Format<F, D>,
    open: Option<Opened<F, D>>,
}

/// Whole frames of one file.
pub(super) struct Piece<F, D> {
    pub(super) serial: u64,
    pub(super) file: Arc<str>,
    pub(super) bytes: Vec<u8>,
    /// Behind it in the file. More than its bytes if a frame in it was too long.
    pub(super) end: u64,
    pub(super) decoder: FrameDecoder<F, D>,
    pub(super) read_at: Instant,
}

impl<F: Framing, D: Decoder> Dealer<F, D> {
    pub(super) fn new(settings: OpenFiles, format: Format<F, D>, ledger: Ledger) -> Self {
        let files = Files {
            settings,
            format,
            open: None,
        };
        Dealer {
            files: Mutex::new(files),
            ledger: Mutex::new(ledger),
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece, for `lane`; `None` if there is none any more. `bytes` is a buffer to use
    /// again. Blocks.
    pub(super) fn deal(&self, lane: usize, mut bytes: Vec<u8>) -> Result<Option<Piece<F, D>>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some(next) = self.ledger().next() else {
                return Ok(None);
            };
            let opened = files.at(&next)?;
            let Some(span) = opened.next(&mut bytes)? else {
                self.ledger().finish();
                files.open = None;
                continue;
            };
            return Ok(Some(Piece {
                file: opened.name().clone(),
                decoder: opened.decoder(span.start),
                end: span.end,
                read_at: runtime::now(),
                bytes,
                serial: self.ledger().deal(lane, span),
            }));
        }
    }
}

impl<F: Framing, D: Decoder> Files<F, D> {
    /// The file of `span`, opened where that begins.
    fn at(&mut self, span: &Span) -> Result<&mut Opened<F, D>> {
        match &mut self.open {
            Some(opened) if opened.is_at(span) => {}
            open => {
                let decoder = FrameDecoder::new(self.format.clone());
                let framing = self.format.framing.clone();
                *open = Some(Opened::open(span, &self.settings, framing, decoder)?);
            }
        }
        let opened = self.open.as_mut();
        opened.ok_or_else(|| Error::internal("a file was opened and is not there"))
    }
}
