//! Bounded files as a source.

use std::path::PathBuf;
use std::sync::Arc;

use millstream_engine::runtime;
use millstream_engine::source::{Replay, Source, SourceSetup};
use millstream_engine::{Error, Result};

use super::FileReader;
use super::dealer::Dealer;
use super::ledger::Ledger;
use crate::codec::{Decoder, Format};
use crate::file::OpenFiles;
use crate::framing::Framing;

/// The records of files, read from beginning to end; made by [`OpenFiles`] and a format.
#[derive(Clone, Debug)]
pub struct FileSource<F, D> {
    settings: OpenFiles,
    format: Format<F, D>,
}

impl<F: Framing, D: Decoder> FileSource<F, D> {
    pub(in crate::file) fn new(settings: OpenFiles, format: Format<F, D>) -> Self {
        FileSource { settings, format }
    }
}

impl<F: Framing, D: Decoder> Source for FileSource<F, D> {
    type Out = D::Out;
    type Reader = FileReader<F, D>;

    fn max_parallelism(&self) -> usize {
        usize::MAX
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn replay(&self) -> Replay {
        Replay::FromPosition
    }

    async fn open(self, setup: SourceSetup) -> Result<Vec<FileReader<F, D>>> {
        let FileSource { settings, format } = self;
        let lanes = setup.parallelism.max(1);
        let pattern = settings.pattern.clone();
        let files = runtime::blocking(move || pattern.files()).await?;
        if files.is_empty() {
            let path = settings.pattern.shown();
            return Err(Error::config(format!("there is no file `{path}`")));
        }
        let mut names = Vec::new();
        for file in files {
            let progress = settings.progress.clone();
            names.push(runtime::blocking(move || measure(file, &progress)).await?);
        }
        let ledger = match &setup.positions {
            Some(positions) => Ledger::resume(names.into(), lanes, positions)?,
            None => Ledger::new(names.into(), lanes),
        };
        let dealer = Arc::new(Dealer::new(settings, format, ledger));
        Ok((0..lanes)
            .map(|lane| FileReader::new(dealer.clone(), lane))
            .collect())
    }
}

/// The name of a file, as positions and bad records have it.
fn measure(path: PathBuf, progress: &crate::file::Progress) -> Result<String> {
    let length = std::fs::metadata(&path).map_err(|cause| {
        Error::connection(format!("cannot read {}", path.display())).caused_by(cause)
    })?;
    progress.add_total(length.len());
    path.into_os_string().into_string().map_err(|path| {
        let path = path.display();
        Error::config(format!("the name of {path} is not UTF-8"))
    })
}
