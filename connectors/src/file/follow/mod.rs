//! Following files as they grow.
//!
//! [`Tails`](tails::Tails) watches the files, on a thread that may block, and tells the
//! [reader](reader::FollowReader) what is new, one thing at a time; the reader decodes.

mod identity;
mod reader;
mod tails;

use std::sync::{Arc, Mutex};

use millstream_engine::source::{Replay, Source, SourceSetup};
use millstream_engine::{Error, Result};

use self::identity::Saved;
use self::tails::Tails;
use super::FollowFiles;
use crate::codec::{Decoder, Format};
use crate::framing::Framing;

pub use reader::FollowReader;

/// The records of files that grow; made by [`FollowFiles`] and a format.
///
/// Each file is a partition with a watermark of its own. It is no error that there is no file yet.
#[derive(Clone, Debug)]
pub struct FollowSource<F, D> {
    settings: FollowFiles,
    format: Format<F, D>,
}

impl<F: Framing, D: Decoder> FollowSource<F, D> {
    pub(super) fn new(settings: FollowFiles, format: Format<F, D>) -> Self {
        FollowSource { settings, format }
    }
}

impl<F: Framing, D: Decoder> Source for FollowSource<F, D> {
    type Out = D::Out;
    type Reader = FollowReader<F, D>;

    fn is_bounded(&self) -> bool {
        false
    }

    fn replay(&self) -> Replay {
        Replay::FromPosition
    }

    async fn open(self, setup: SourceSetup) -> Result<Vec<FollowReader<F, D>>> {
        let mut saved = Vec::new();
        for position in setup.positions.unwrap_or_default() {
            saved.push(
                serde_json::from_slice::<Saved>(&position.state).map_err(|cause| {
                    let split = &position.split;
                    Error::state(format!(
                        "the saved position `{split}` is none of followed files"
                    ))
                    .caused_by(cause)
                })?,
            );
        }
        let tails = Tails::new(&self.settings, saved.clone());
        let tails = Arc::new(Mutex::new(tails));
        Ok(vec![FollowReader::new(
            tails,
            self.settings.poll,
            self.format,
            saved,
        )])
    }
}
