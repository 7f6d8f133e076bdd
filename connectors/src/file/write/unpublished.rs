//! A file that is being written and does not have its name yet.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_engine::runtime::{self, Task};
use millstream_engine::{Error, Result};

/// A file on its way to its name. Dropped, it stays unpublished.
pub(super) struct Unpublished {
    file: Arc<fs::File>,
    written_as: PathBuf,
    /// What it is renamed to; `None` if it has its name already (a device, a file that is gone on with).
    name: Option<PathBuf>,
    /// At most one write at a time is under way. It gives its buffer back.
    writing: Option<Task<io::Result<Vec<u8>>>>,
    spare: Vec<u8>,
    /// Bytes that were there and that were handed over so far.
    pub(super) length: u64,
}

/// Marks a file as being written, until it is closed: of two sinks with one path the second is refused, in this
/// process or another, before it takes anything away from the first.
pub(super) fn lock(file: &fs::File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another sink is writing it",
        )),
        // Not every file system and device has locks.
        Err(fs::TryLockError::Error(_)) => Ok(()),
    }
}

impl Unpublished {
    /// Creates the file `written_as`, to become `name`.
    pub(super) async fn create(written_as: PathBuf, name: Option<PathBuf>) -> Result<Self> {
        let (path, is_file) = (written_as.clone(), name.is_some());
        let file = runtime::blocking(move || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let file = fs::File::create(path)?;
            if is_file {
                lock(&file)?;
            }
            Ok(file)
        });
        let file = file.await.map_err(|cause| failed(&written_as, cause))?;
        Ok(Unpublished::new(file, written_as, name, 0))
    }

    /// Goes on at the end of the file `path`, behind a line end if it has `lines`.
    pub(super) async fn append_to(path: PathBuf, lines: bool) -> Result<Self> {
        let opened = path.clone();
        let opened = runtime::blocking(move || open_end(&opened, lines)).await;
        let (file, length) = opened.map_err(|cause| failed(&path, cause))?;
        Ok(Unpublished::new(file, path, None, length))
    }

    fn new(file: fs::File, written_as: PathBuf, name: Option<PathBuf>, length: u64) -> Self {
        Unpublished {
            file: Arc::new(file),
            written_as,
            name,
            writing: None,
            spare: Vec::new(),
            length,
        }
    }

    /// Starts to write `bytes`, which it empties, when what was handed over before is written.
    pub(super) async fn append(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.written().await?;
        self.length += bytes.len() as u64;
        let bytes = std::mem::replace(bytes, std::mem::take(&mut self.spare));
        let file = self.file.clone();
        self.writing = Some(runtime::spawn(runtime::blocking(move || {
            (&*file).write_all(&bytes)?;
            Ok(bytes)
        })));
        Ok(())
    }

    /// Waits until all that was handed over is written.
    pub(super) async fn written(&mut self) -> Result<()> {
        let Some(writing) = &mut self.writing else {
            return Ok(());
        };
        let outcome = writing.await;
        self.writing = None;
        let written =
            outcome.map_err(|cause| Error::internal("the writing of a file").caused_by(cause))?;
        self.spare = written.map_err(|cause| failed(&self.written_as, cause))?;
        self.spare.clear();
        Ok(())
    }

    /// Waits until all that was handed over is on disk.
    pub(super) async fn synced(&mut self) -> Result<()> {
        self.written().await?;
        let file = self.file.clone();
        let synced = runtime::blocking(move || match file.sync_all() {
            // Pipes and devices have nothing to sync.
            Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => Ok(()),
            outcome => outcome,
        });
        synced
            .await
            .map_err(|cause| failed(&self.written_as, cause))
    }

    /// Gives it its name, when it is on disk.
    pub(super) async fn publish(&mut self) -> Result<()> {
        self.synced().await?;
        let Some(name) = self.name.clone() else {
            return Ok(());
        };
        let from = self.written_as.clone();
        let renamed = runtime::blocking(move || {
            fs::rename(from, &name)?;
            // Without this a crash could take the name back.
            fs::File::open(folder_of(&name))?.sync_all()
        });
        renamed
            .await
            .map_err(|cause| failed(&self.written_as, cause))
    }
}

fn open_end(path: &Path, lines: bool) -> io::Result<(fs::File, u64)> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Ok((file, 0));
    }
    // It may be new: without this a crash could take the name back.
    fs::File::open(folder)?.sync_all()?;
    if lines && found.len() > 0 {
        let mut last = [0];
        let mut end = fs::File::open(path)?;
        end.seek(SeekFrom::End(-1))?;
        end.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok((file, found.len()))
}

/// The folder a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

pub(super) fn failed(path: &Path, cause: io::Error) -> Error {
    Error::connection(format!("cannot write {}", path.display())).caused_by(cause)
}
