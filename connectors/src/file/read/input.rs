//! The bytes of one file, unpacked.

use std::fs;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::file::Progress;

/// A file that is read from some byte on.
pub(super) enum Input {
    Plain(fs::File, Progress),
    Gzip(Box<Gunzip>),
}

impl Input {
    /// Opens `path` at byte `start` of its (unpacked) content.
    pub(super) fn open(
        path: &Path,
        start: u64,
        max_inflation: u64,
        progress: &Progress,
    ) -> io::Result<Input> {
        let mut file = fs::File::open(path)?;
        if !starts_as_gzip(&mut file)? {
            file.seek(SeekFrom::Start(start))?;
            return Ok(Input::Plain(file, progress.clone()));
        }
        let mut gunzip = Box::new(Gunzip::new(file, max_inflation, progress.clone()));
        // There is no way into the middle of it.
        io::copy(&mut gunzip.by_ref().take(start), &mut io::sink())?;
        Ok(Input::Gzip(gunzip))
    }

    /// Appends up to `bytes` bytes to `to`; fewer only at the end.
    pub(super) fn read(&mut self, bytes: u64, to: &mut Vec<u8>) -> io::Result<u64> {
        // `read_to_end` reads into spare room without filling it with zeros first.
        to.reserve(usize::try_from(bytes).unwrap_or_default());
        let read = match self {
            Input::Plain(file, progress) => {
                let read = file.take(bytes).read_to_end(to)?;
                progress.add_read(read as u64);
                read
            }
            Input::Gzip(gunzip) => gunzip.take(bytes).read_to_end(to)?,
        };
        Ok(read as u64)
    }
}

fn starts_as_gzip(file: &mut fs::File) -> io::Result<bool> {
    let mut magic = Vec::new();
    file.take(3).read_to_end(&mut magic)?;
    file.rewind()?;
    // Deflate (8) is the only method there is.
    Ok(magic == [0x1f, 0x8b, 8])
}

/// A gzip file on its way through the unpacker, of any number of members.
pub(super) struct Gunzip {
    unpacked: MultiGzDecoder<BufReader<Counted>>,
    written: u64,
    max_inflation: u64,
}

/// So much may come out of a gzip file whatever its size.
const FREE: u64 = 16 << 20;

impl Gunzip {
    fn new(file: fs::File, max_inflation: u64, progress: Progress) -> Self {
        let counted = Counted {
            file,
            read: 0,
            progress,
        };
        Gunzip {
            unpacked: MultiGzDecoder::new(BufReader::with_capacity(64 << 10, counted)),
            written: 0,
            max_inflation,
        }
    }
}

impl Read for Gunzip {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let written = self.unpacked.read(to)?;
        self.written += written as u64;
        let packed = self.unpacked.get_ref().get_ref().read;
        if self.written > FREE.saturating_add(packed.saturating_mul(self.max_inflation)) {
            return Err(io::Error::other(format!(
                "it unpacks to more than {} times its size (see `with_max_inflation`)",
                self.max_inflation
            )));
        }
        Ok(written)
    }
}

struct Counted {
    file: fs::File,
    read: u64,
    progress: Progress,
}

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(to)?;
        self.read += read as u64;
        self.progress.add_read(read as u64);
        Ok(read)
    }
}
