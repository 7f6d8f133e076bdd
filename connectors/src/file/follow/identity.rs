//! What makes a file the same file under another name.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use serde::{Deserialize, Serialize};

/// A file on this machine, as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.device, self.inode)
    }
}

/// Of the first bytes of a file: an inode is given to another file when the first one is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    length: u64,
    crc: u32,
}

impl Fingerprint {
    const MOST: u64 = 256;

    /// That of a file as it is now.
    pub(super) fn take(file: &fs::File) -> io::Result<Self> {
        Self::of_first(file, Self::MOST)
    }

    /// Whether `file` begins with the same bytes. A longer file can.
    pub(super) fn fits(&self, file: &fs::File) -> io::Result<bool> {
        Ok(Self::of_first(file, self.length)? == *self)
    }

    fn of_first(file: &fs::File, most: u64) -> io::Result<Self> {
        let mut bytes = [0; Self::MOST as usize];
        let mut length = 0;
        loop {
            let room = bytes.get_mut(length..most as usize).unwrap_or_default();
            let read = file.read_at(room, length as u64)?;
            length += read;
            if read == 0 {
                break;
            }
        }
        let mut crc = flate2::Crc::new();
        crc.update(bytes.get(..length).unwrap_or_default());
        Ok(Fingerprint {
            length: length as u64,
            crc: crc.sum(),
        })
    }

    /// Whether more bytes would make it more certain.
    pub(super) fn is_short(&self) -> bool {
        self.length < Self::MOST
    }
}

/// How far a followed file was read, as it is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) name: String,
    pub(super) identity: Identity,
    pub(super) fingerprint: Fingerprint,
    pub(super) offset: u64,
    /// Frames before that.
    pub(super) frames: Option<u64>,
}
