//! What can go wrong, whose fault it is, and where it happened.

use std::error::Error as StdError;
use std::fmt;

/// Who can mend what failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The flow or a connector was set up wrongly: change the program or its settings.
    Config,
    /// A record could not be read or written: see the bad-record policy.
    Data,
    /// The outside failed (broker, disk, peer): trying again may help.
    Connection,
    /// Nobody wants the output any more (a closed pipe, a dropped receiver). From a sink this is no
    /// failure: the flow stops as if it had been asked to.
    Closed,
    /// User code returned an error or panicked.
    User,
    /// Saved state does not fit the flow that should take it over.
    State,
    /// A promise of the engine is broken: please report it.
    Internal,
}

/// An error of a flow: a kind, what happened, and, once it passed through a task, where.
///
/// ```
/// use millstream_engine::{Error, ErrorKind};
///
/// let error = Error::data("line 3 is no number").at("temperatures", 0);
/// assert_eq!(error.kind(), ErrorKind::Data);
/// assert_eq!(error.to_string(), "vertex `temperatures` (replica 0): line 3 is no number");
/// ```
pub struct Error {
    kind: ErrorKind,
    message: String,
    place: Option<Place>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Clone)]
struct Place {
    vertex: String,
    /// None while the vertex is being opened and has no replicas yet.
    replica: Option<usize>,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            place: None,
            source: None,
        }
    }

    /// A mistake in the set-up.
    pub fn config(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Config, message)
    }

    /// A record that cannot be read or written.
    pub fn data(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Data, message)
    }

    /// A failure of the outside.
    pub fn connection(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Connection, message)
    }

    /// The end of a sink whose reader has gone: the flow stops gracefully.
    pub fn closed(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Closed, message)
    }

    /// A failure of user code.
    pub fn user(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::User, message)
    }

    /// Saved state that does not fit.
    pub fn state(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::State, message)
    }

    /// A broken promise of the engine.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Internal, message)
    }

    /// The same error with what caused it; both are shown.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// The same error at this replica of this vertex, unless its place is known already.
    #[must_use]
    pub fn at(self, vertex: &str, replica: usize) -> Self {
        self.placed(vertex, Some(replica))
    }

    /// The same error of this vertex as a whole, unless its place is known already.
    #[must_use]
    pub fn of(self, vertex: &str) -> Self {
        self.placed(vertex, None)
    }

    fn placed(mut self, vertex: &str, replica: Option<usize>) -> Self {
        self.place.get_or_insert_with(|| Place {
            vertex: vertex.to_owned(),
            replica,
        });
        self
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The vertex it happened in, if it happened in one.
    pub fn vertex(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.vertex.as_str())
    }

    /// The replica of that vertex, if it happened in one.
    pub fn replica(&self) -> Option<usize> {
        self.place.as_ref()?.replica
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { vertex, replica }) = &self.place {
            match replica {
                Some(replica) => write!(f, "vertex `{vertex}` (replica {replica}): ")?,
                None => write!(f, "vertex `{vertex}`: ")?,
            }
        }
        f.write_str(&self.message)?;
        // The cause is part of the message: an error that is only printed must tell all it knows.
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    /// As it is shown: `main` prints the error it returns in this way.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// `Result` with the engine's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
