//! The files that are followed, and what is new of them.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use millstream_engine::runtime::{self, Instant};
use millstream_engine::{Error, Result};

use super::identity::{Fingerprint, Identity, Saved};
use crate::file::FollowFiles;
use crate::file::pattern::Pattern;

/// One thing that is new.
pub(super) enum News {
    /// A file is followed from now on.
    Opened {
        file: Identity,
        name: String,
        fingerprint: Fingerprint,
        /// Where it goes on from an earlier run, and what it begins with.
        resumed: Option<(Saved, Vec<u8>)>,
    },
    /// It has more bytes; they were read at that moment.
    Bytes(Identity, Vec<u8>, Instant),
    /// It begins again: it was truncated, or is another file in the same place.
    Truncated(Identity, Fingerprint),
    /// Its fingerprint was taken of more bytes than before.
    Known(Identity, Fingerprint),
    /// Nothing follows in it.
    Finished(Identity),
    /// A file of an earlier run is nowhere to be found.
    Gone(Identity),
    /// Nothing at all, for now.
    Nothing,
}

/// One followed file.
struct Tail {
    path: PathBuf,
    file: fs::File,
    fingerprint: Fingerprint,
    /// Read up to here.
    read: u64,
    /// Whether a name that matches still leads to it.
    listed: bool,
    /// When something was last read of it.
    active: Instant,
}

/// All followed files.
pub(super) struct Tails {
    pattern: Pattern,
    poll: Duration,
    rest: Duration,
    tails: BTreeMap<Identity, Tail>,
    /// Of an earlier run, not found again yet.
    saved: Vec<Saved>,
    news: VecDeque<News>,
    /// The file whose turn it was last.
    turn: Option<Identity>,
    looked: Option<Instant>,
}

/// So many bytes of a file are read at a time.
const READ: usize = 256 << 10;
/// So many bytes of a file that is resumed are looked at for its head.
const HEAD: u64 = 1 << 20;

impl Tails {
    pub(super) fn new(settings: &FollowFiles, saved: Vec<Saved>) -> Self {
        Tails {
            pattern: settings.pattern.clone(),
            poll: settings.poll,
            rest: settings.rest,
            tails: BTreeMap::new(),
            saved,
            news: VecDeque::new(),
            turn: None,
            looked: None,
        }
    }

    /// The next thing that is new. `bytes` is a buffer to use again. Blocks.
    pub(super) fn next(&mut self, bytes: Vec<u8>) -> Result<News> {
        let due = |looked: Instant| runtime::now() - looked >= self.poll;
        if self.news.is_empty() && self.looked.is_none_or(due) {
            self.look()?;
            self.looked = Some(runtime::now());
        }
        match self.news.pop_front() {
            Some(news) => Ok(news),
            None => self.read(bytes),
        }
    }

    /// Reads of the next file in turn that has something.
    fn read(&mut self, mut bytes: Vec<u8>) -> Result<News> {
        bytes.resize(READ, 0);
        let after = self
            .tails
            .keys()
            .copied()
            .filter(|file| Some(*file) > self.turn);
        let until = self
            .tails
            .keys()
            .copied()
            .filter(|file| Some(*file) <= self.turn);
        let in_turn: Vec<Identity> = after.chain(until).collect();
        for identity in in_turn {
            let Some(tail) = self.tails.get_mut(&identity) else {
                continue;
            };
            let read = tail.file.read_at(&mut bytes, tail.read);
            let read = read.map_err(|cause| unreadable(&tail.path, cause))?;
            if read > 0 {
                let same = tail.fingerprint.fits(&tail.file);
                if !same.map_err(|cause| unreadable(&tail.path, cause))? {
                    // Truncated since the last look, and grown again.
                    self.look()?;
                    return Ok(self.news.pop_front().unwrap_or(News::Nothing));
                }
                bytes.truncate(read);
                tail.read += read as u64;
                tail.active = runtime::now();
                self.turn = Some(identity);
                return Ok(News::Bytes(identity, bytes, tail.active));
            }
        }
        Ok(News::Nothing)
    }

    /// Looks for files that appeared, were renamed, truncated or deleted.
    fn look(&mut self) -> Result<()> {
        for tail in self.tails.values_mut() {
            tail.listed = false;
        }
        for path in self.pattern.files()? {
            self.meet(path, true)?;
        }
        for saved in std::mem::take(&mut self.saved) {
            self.find(saved)?;
        }
        let mut finished = Vec::new();
        for (identity, tail) in &mut self.tails {
            let unreadable = |cause| unreadable(&tail.path, cause);
            let length = tail.file.metadata().map_err(unreadable)?.len();
            let same = tail.fingerprint.fits(&tail.file).map_err(unreadable)?;
            let now = match tail.fingerprint.is_short() || !same {
                true => Fingerprint::take(&tail.file).map_err(unreadable)?,
                false => tail.fingerprint,
            };
            if length < tail.read || !same {
                tail.read = 0;
                self.news.push_back(News::Truncated(*identity, now));
            } else if now != tail.fingerprint {
                self.news.push_back(News::Known(*identity, now));
            }
            tail.fingerprint = now;
            let rests = runtime::now() - tail.active >= self.rest;
            if !tail.listed && rests && length <= tail.read {
                finished.push(*identity);
            }
        }
        for identity in finished {
            self.tails.remove(&identity);
            self.news.push_back(News::Finished(identity));
        }
        Ok(())
    }

    /// A file at `path`: one that is followed already, or a new one.
    fn meet(&mut self, path: PathBuf, listed: bool) -> Result<()> {
        // It may be renamed or deleted at any moment.
        let gone = |cause: &io::Error| cause.kind() == io::ErrorKind::NotFound;
        let opened = fs::File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = match opened {
            Ok(opened) => opened,
            Err(cause) if gone(&cause) => return Ok(()),
            Err(cause) => return Err(unreadable(&path, cause)),
        };
        let identity = Identity::of(&metadata);
        if let Some(tail) = self.tails.get_mut(&identity) {
            tail.listed |= listed;
            tail.path = path;
            return Ok(());
        }
        let known = |saved: &Saved| saved.identity == identity;
        let saved = self.saved.iter().position(known);
        let saved = saved.map(|at| self.saved.swap_remove(at));
        let mut tail = Tail {
            fingerprint: Fingerprint::default(),
            path,
            file,
            read: 0,
            listed,
            active: runtime::now(),
        };
        let resumed = tail.resume(saved, metadata.len());
        let resumed = resumed.map_err(|cause| unreadable(&tail.path, cause))?;
        self.news.push_back(News::Opened {
            file: identity,
            name: tail.path.display().to_string(),
            fingerprint: tail.fingerprint,
            resumed,
        });
        self.tails.insert(identity, tail);
        Ok(())
    }

    /// A file of an earlier run that no longer has a name that matches: it may have another one.
    fn find(&mut self, saved: Saved) -> Result<()> {
        let folder = match Path::new(&saved.name).parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let identity = saved.identity;
        let is_it = |entry: &fs::DirEntry| {
            let metadata = entry.metadata();
            metadata.is_ok_and(|metadata| metadata.is_file() && Identity::of(&metadata) == identity)
        };
        let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
        if let Some(entry) = entries.find(is_it) {
            self.saved.push(saved);
            return self.meet(entry.path(), false);
        }
        tracing::warn!(
            file = saved.name,
            "a followed file is gone; what it held unread is lost"
        );
        self.news.push_back(News::Gone(identity));
        Ok(())
    }
}

impl Tail {
    /// Goes on where an earlier run ended, if this is the same file.
    fn resume(
        &mut self,
        saved: Option<Saved>,
        length: u64,
    ) -> io::Result<Option<(Saved, Vec<u8>)>> {
        self.fingerprint = Fingerprint::take(&self.file)?;
        let Some(saved) = saved else {
            return Ok(None);
        };
        if saved.offset > length || !saved.fingerprint.fits(&self.file)? {
            return Ok(None);
        }
        self.read = saved.offset;
        let mut head = vec![0; saved.offset.min(HEAD) as usize];
        self.file.read_exact_at(&mut head, 0)?;
        Ok(Some((saved, head)))
    }
}

fn unreadable(path: &Path, cause: io::Error) -> Error {
    Error::connection(format!("cannot follow {}", path.display())).caused_by(cause)
}
