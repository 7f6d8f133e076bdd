//! One reader of bounded files.

use std::sync::Arc;

use millstream_engine::batch::PartitionId;
use millstream_engine::runtime::{self, Task};
use millstream_engine::source::{Intake, Position, Read, SourceReader};
use millstream_engine::{Error, Result};

use super::dealer::{Dealer, Piece};
use crate::codec::Decoder;
use crate::framing::Framing;

/// A reader of [`FileSource`](super::FileSource): takes the next piece of the files, decodes it, and has
/// the one behind it read meanwhile.
pub struct FileReader<F: Framing, D: Decoder> {
    dealer: Arc<Dealer<F, D>>,
    lane: usize,
    piece: Option<Piece<F, D>>,
    used: usize,
    ahead: Option<Dealing<F, D>>,
    /// A buffer to read into again.
    spare: Vec<u8>,
}

/// The next piece, on its way.
type Dealing<F, D> = Task<Result<Option<Piece<F, D>>>>;

impl<F: Framing, D: Decoder> FileReader<F, D> {
    pub(super) fn new(dealer: Arc<Dealer<F, D>>, lane: usize) -> Self {
        FileReader {
            dealer,
            lane,
            piece: None,
            used: 0,
            ahead: None,
            spare: Vec::new(),
        }
    }

    fn read_ahead(&mut self) -> &mut Dealing<F, D> {
        self.ahead.get_or_insert_with(|| {
            let (dealer, lane) = (self.dealer.clone(), self.lane);
            let bytes = std::mem::take(&mut self.spare);
            runtime::spawn(runtime::blocking(move || dealer.deal(lane, bytes)))
        })
    }

    /// Decodes from the piece in hand; `false` if there is none.
    fn decode(&mut self, intake: &mut Intake<D::Out>) -> Result<bool> {
        let Some(piece) = &mut self.piece else {
            return Ok(false);
        };
        intake.begin(PartitionId::ONLY, piece.read_at);
        let rest = piece.bytes.get(self.used..).unwrap_or_default();
        let used = piece.decoder.take(rest, true, &piece.file, intake)?;
        if used == 0 && intake.is_empty() {
            return Err(Error::internal("a framing used nothing of a whole piece"));
        }
        self.used += used;
        if self.used >= piece.bytes.len() {
            self.dealer
                .ledger()
                .done(self.lane, piece.serial, piece.end);
            self.spare = std::mem::take(&mut piece.bytes);
            self.piece = None;
        }
        Ok(true)
    }
}

impl<F: Framing, D: Decoder> SourceReader for FileReader<F, D> {
    type Out = D::Out;

    async fn read(&mut self, intake: &mut Intake<D::Out>) -> Result<Read> {
        loop {
            if self.decode(intake)? {
                if !intake.is_empty() {
                    return Ok(Read::More);
                }
                // A file of blank lines must not keep the thread.
                runtime::yield_now().await;
                continue;
            }
            let outcome = self.read_ahead().await;
            self.ahead = None;
            let piece = outcome
                .map_err(|cause| Error::internal("the reading of a file").caused_by(cause))??;
            let Some(piece) = piece else {
                return Ok(Read::End);
            };
            self.piece = Some(piece);
            self.used = 0;
            self.read_ahead();
        }
    }

    fn positions(&self) -> Vec<Position> {
        let mut ledger = self.dealer.ledger();
        if let Some(piece) = &self.piece {
            ledger.done(self.lane, piece.serial, piece.decoder.offset());
        }
        vec![ledger.position(self.lane)]
    }
}
