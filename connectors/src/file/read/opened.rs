//! A part of a file that is being dealt.

use std::io;
use std::path::Path;
use std::sync::Arc;

use millstream_engine::{Error, Result};

use super::input::Input;
use super::span::Span;
use crate::codec::{Decoder, FrameDecoder};
use crate::file::OpenFiles;
use crate::framing::Framing;

/// A file that pieces are being cut from.
pub(super) struct Opened<F, D> {
    name: Arc<str>,
    input: Input,
    chunk: u64,
    /// For pieces; it knows the file's head.
    decoder: FrameDecoder<F, D>,
    framing: F,
    /// Read but not dealt: the beginning of a frame whose end was not read yet.
    carry: Vec<u8>,
    /// Where in the file that is.
    start: u64,
    end: u64,
    eof: bool,
}

impl<F: Framing, D: Decoder> Opened<F, D> {
    pub(super) fn open(
        span: &Span,
        settings: &OpenFiles,
        framing: F,
        decoder: FrameDecoder<F, D>,
    ) -> Result<Self> {
        let open = |start| {
            let (path, ratio) = (Path::new(&span.file), settings.max_inflation);
            let input = Input::open(path, start, ratio, &settings.progress);
            input.map_err(|cause| unreadable(&span.file, cause))
        };
        let mut opened = Opened {
            name: span.file.as_str().into(),
            input: open(0)?,
            chunk: settings.chunk as u64,
            decoder,
            framing,
            carry: Vec::new(),
            start: 0,
            end: Span::TO_END,
            eof: false,
        };
        opened.take_head()?;
        opened.end = span.end;
        if span.start > opened.start {
            opened.input = open(span.start)?;
            opened.carry.clear();
            opened.start = span.start;
            opened.eof = false;
        }
        // The head may have been read beyond the end of the part.
        let most = usize::try_from(span.end.saturating_sub(opened.start)).unwrap_or(usize::MAX);
        opened.carry.truncate(most);
        Ok(opened)
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// A decoder for a piece from `start` on.
    pub(super) fn decoder(&self, start: u64) -> FrameDecoder<F, D> {
        self.decoder.clone().at(start, None)
    }

    /// Whether this is where `span` begins, as it was left.
    pub(super) fn is_at(&self, span: &Span) -> bool {
        *self.name == *span.file && self.end == span.end
    }

    /// Fills `bytes` with whole frames; says which part of the file they are, or `None` at the end.
    ///
    /// Of a frame that is too long only the beginning is given, enough for the decoder to see that.
    pub(super) fn next(&mut self, bytes: &mut Vec<u8>) -> Result<Option<Span>> {
        bytes.clear();
        bytes.append(&mut self.carry);
        loop {
            self.read(bytes)?;
            let end = self.is_end(bytes);
            if bytes.is_empty() && end {
                return Ok(None);
            }
            let mut border = self.framing.last_border(bytes, end);
            if border == 0 && end {
                border = bytes.len();
            }
            if border > 0 {
                let start = self.start;
                self.start += border as u64;
                self.carry
                    .extend_from_slice(bytes.get(border..).unwrap_or_default());
                bytes.truncate(border);
                self.skip()?;
                return Ok(Some(Span {
                    file: self.name.to_string(),
                    start,
                    end: self.start,
                }));
            }
        }
    }

    /// Passes over the rest of a frame that is too long, so that the next piece begins with a frame.
    fn skip(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        while self.framing.is_skipping() {
            bytes.clear();
            self.read(&mut bytes)?;
            if bytes.is_empty() {
                return Ok(());
            }
            let end = self.is_end(&bytes);
            let border = self.framing.last_border(&bytes, end);
            self.start += border as u64;
            self.carry
                .extend_from_slice(bytes.get(border..).unwrap_or_default());
        }
        Ok(())
    }

    fn take_head(&mut self) -> Result<()> {
        let mut used = 0;
        while self.decoder.wants_head() && !self.eof {
            let mut bytes = std::mem::take(&mut self.carry);
            self.read(&mut bytes)?;
            let rest = bytes.get(used..).unwrap_or_default();
            used += self.decoder.take_head(rest, self.eof, &self.name)?;
            self.carry = bytes;
        }
        self.carry.drain(..used.min(self.carry.len()));
        self.start = used as u64;
        Ok(())
    }

    /// Appends the next bytes, if there are any before the end.
    fn read(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        let at = self.start.saturating_add(bytes.len() as u64);
        let want = self.chunk.min(self.end.saturating_sub(at));
        if want > 0 && !self.eof {
            let read = self.input.read(want, bytes);
            let read = read.map_err(|cause| unreadable(&self.name, cause))?;
            self.eof = read < want;
        }
        Ok(())
    }

    fn is_end(&self, bytes: &[u8]) -> bool {
        self.eof || self.start.saturating_add(bytes.len() as u64) >= self.end
    }
}

fn unreadable(file: &str, cause: io::Error) -> Error {
    let what = match cause.kind() {
        io::ErrorKind::UnexpectedEof => "the gzip file is truncated",
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => "the gzip file is damaged",
        _ => return Error::connection(format!("cannot read {file}")).caused_by(cause),
    };
    Error::data(format!("cannot read {file}: {what}"))
}
