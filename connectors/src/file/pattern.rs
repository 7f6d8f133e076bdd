//! Which files a path stands for.

use std::path::{Path, PathBuf};

use millstream_engine::{Error, Result};

/// A path as the user gave it: a file, a folder, or a pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern(PathBuf);

impl Pattern {
    pub(super) fn new(path: PathBuf) -> Self {
        Pattern(path)
    }

    pub(super) fn shown(&self) -> std::path::Display<'_> {
        self.0.display()
    }

    /// The files that are there now, in the order of their names.
    ///
    /// # Errors
    /// A folder cannot be read, or the pattern is none.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = match std::fs::metadata(&self.0) {
            Ok(found) if found.is_dir() => folder(&self.0)?,
            Ok(found) if found.is_file() => vec![self.0.clone()],
            // Opening a pipe can wait for ever, and none can be read twice.
            Ok(_) => {
                let path = self.shown();
                return Err(Error::config(format!(
                    "{path} is no regular file; a pipe can be read as standard input"
                )));
            }
            Err(_) => self.matching()?,
        };
        files.sort_unstable();
        Ok(files)
    }

    fn matching(&self) -> Result<Vec<PathBuf>> {
        let Some(pattern) = self
            .0
            .to_str()
            .filter(|text| text.contains(['*', '?', '[']))
        else {
            return Ok(Vec::new());
        };
        let options = glob::MatchOptions {
            require_literal_leading_dot: true,
            ..glob::MatchOptions::new()
        };
        let matches = glob::glob_with(pattern, options).map_err(|cause| {
            Error::config(format!("`{pattern}` is no pattern of files")).caused_by(cause)
        })?;
        let mut files = Vec::new();
        for path in matches {
            let path = path.map_err(|cause| {
                Error::connection(format!("files of `{pattern}`")).caused_by(cause)
            })?;
            if path.is_file() {
                files.push(path);
            }
        }
        Ok(files)
    }
}

/// The files of a folder. Hidden ones are left out: they are other programs' work in progress.
fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |cause| Error::connection(format!("folder {}", path.display())).caused_by(cause);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    Ok(files)
}
