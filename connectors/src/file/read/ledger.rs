//! Who was dealt which piece, and what is not dealt yet.
//!
//! Every reader is asked for its position at its own moment, and between two such moments pieces are
//! dealt. So each tells what was *not dealt* at its moment and what *it was dealt* so far: whatever
//! was not dealt at the earliest moment and to no one until his own is left, and of the rest what its
//! reader had not decoded. (This takes for granted that there is one epoch under way at a time.)

use std::collections::VecDeque;
use std::sync::Arc;

use millstream_engine::source::Position;
use millstream_engine::{Error, Result};
use serde::{Deserialize, Serialize};

use super::span::{Span, Spans};

/// What is still to be dealt and what was dealt, of one run.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Parts of files that come before the tail; only in a resumed run.
    parts: VecDeque<Span>,
    files: Arc<[String]>,
    /// From here on nothing was dealt: index of the file, byte.
    tail: (usize, u64),
    /// Pieces dealt so far.
    serial: u64,
    lanes: Vec<Lane>,
}

/// One reader's share.
#[derive(Debug, Default)]
struct Lane {
    dealt: VecDeque<Dealt>,
    /// How many pieces had been dealt when its position was last asked for.
    told: u64,
}

#[derive(Debug)]
struct Dealt {
    serial: u64,
    span: Span,
    /// Decoded up to here.
    done: u64,
}

/// A reader's position, as it is saved.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    /// From this byte of this file on nothing was dealt; `None` if all files were.
    tail: Option<(String, u64)>,
    /// Nor were these.
    parts: Vec<Span>,
    /// Dealt to this reader.
    dealt: Vec<Span>,
    /// What it had not decoded of it.
    left: Vec<Span>,
}

impl Ledger {
    /// For a first start.
    pub(super) fn new(files: Arc<[String]>, lanes: usize) -> Self {
        Ledger {
            parts: VecDeque::new(),
            files,
            tail: (0, 0),
            serial: 0,
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
        }
    }

    /// Behind what the readers of an earlier run had done, whatever their number.
    pub(super) fn resume(
        files: Arc<[String]>,
        lanes: usize,
        positions: &[Position],
    ) -> Result<Self> {
        let mut saved = Vec::new();
        for position in positions {
            saved.push(
                serde_json::from_slice::<Saved>(&position.state).map_err(|cause| {
                    let split = &position.split;
                    Error::state(format!("the saved position `{split}` is none of files"))
                        .caused_by(cause)
                })?,
            );
        }
        let mut ledger = Ledger::new(files, lanes);
        let mut tails = Vec::new();
        for Saved { tail, .. } in &saved {
            tails.push(match tail {
                Some((file, byte)) => (ledger.index(file)?, *byte),
                None => (ledger.files.len(), 0),
            });
        }
        let lowest = tails.iter().copied().min().unwrap_or((0, 0));
        ledger.tail = tails.iter().copied().max().unwrap_or((0, 0));
        let mut spans = ledger.between(lowest, ledger.tail);
        for part in saved.iter().flat_map(|saved| &saved.parts) {
            spans.add(part.clone());
        }
        for dealt in saved.iter().flat_map(|saved| &saved.dealt) {
            spans.remove(dealt);
        }
        for left in saved.iter().flat_map(|saved| &saved.left) {
            spans.add(left.clone());
        }
        ledger.parts = spans.into_spans().collect();
        for part in &ledger.parts {
            ledger.index(&part.file)?;
        }
        Ok(ledger)
    }

    fn index(&self, file: &str) -> Result<usize> {
        let found = self.files.iter().position(|name| name == file);
        found.ok_or_else(|| {
            Error::state(format!(
                "{file} was not read to its end in the run that is resumed, and is gone"
            ))
        })
    }

    fn between(&self, from: (usize, u64), to: (usize, u64)) -> Spans {
        let mut spans = Spans::default();
        for (n, file) in self.files.iter().enumerate() {
            if n >= from.0 && n <= to.0 {
                spans.add(Span {
                    file: file.clone(),
                    start: if n == from.0 { from.1 } else { 0 },
                    end: if n == to.0 { to.1 } else { Span::TO_END },
                });
            }
        }
        spans
    }

    /// What is to be dealt next.
    pub(super) fn next(&self) -> Option<Span> {
        self.parts.front().cloned().or_else(|| {
            let (file, start) = self.tail;
            self.files.get(file).map(|file| Span {
                file: file.clone(),
                start,
                end: Span::TO_END,
            })
        })
    }

    /// What was next is read to its end.
    pub(super) fn finish(&mut self) {
        if self.parts.pop_front().is_none() {
            self.tail = (self.tail.0 + 1, 0);
        }
    }

    /// The next bytes of what is next go to `lane`; gives the number of the piece.
    pub(super) fn deal(&mut self, lane: usize, span: Span) -> u64 {
        match self.parts.front_mut() {
            Some(part) => part.start = span.end,
            None => self.tail.1 = span.end,
        }
        self.serial += 1;
        let serial = self.serial;
        self.forget();
        if let Some(lane) = self.lanes.get_mut(lane) {
            let done = span.start;
            lane.dealt.push_back(Dealt { serial, span, done });
        }
        serial
    }

    /// `lane` has decoded the piece `serial` up to `byte`.
    pub(super) fn done(&mut self, lane: usize, serial: u64, byte: u64) {
        let dealt = self.lanes.get_mut(lane).map(|lane| &mut lane.dealt);
        let piece = dealt.and_then(|dealt| dealt.iter_mut().rfind(|dealt| dealt.serial == serial));
        if let Some(piece) = piece {
            piece.done = byte;
        }
    }

    /// Where `lane` goes on.
    pub(super) fn position(&mut self, lane: usize) -> Position {
        let mut saved = Saved {
            tail: self
                .files
                .get(self.tail.0)
                .map(|file| (file.clone(), self.tail.1)),
            parts: self.parts.iter().cloned().collect(),
            dealt: Vec::new(),
            left: Vec::new(),
        };
        let serial = self.serial;
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.told = lane.told.max(serial);
            for Dealt { span, done, .. } in &lane.dealt {
                saved.dealt.push(span.clone());
                if *done < span.end {
                    let start = *done;
                    saved.left.push(Span {
                        start,
                        ..span.clone()
                    });
                }
            }
        }
        Position {
            split: format!("reader-{lane}"),
            // There is nothing in it that JSON cannot hold.
            state: serde_json::to_vec(&saved).unwrap_or_default(),
        }
    }

    /// Pieces that are done need to be told only to those who may still tell that nobody was dealt them.
    fn forget(&mut self) {
        let told = self.lanes.iter().map(|lane| lane.told).min().unwrap_or(0);
        let alone = self.lanes.len() == 1;
        for lane in &mut self.lanes {
            while let Some(first) = lane.dealt.front()
                && first.done >= first.span.end
                && (alone || first.serial <= told)
            {
                lane.dealt.pop_front();
            }
        }
    }
}
