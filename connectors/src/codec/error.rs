//! Why a frame could not be decoded or a value encoded.

use std::fmt;

/// Why a frame could not be decoded, or a value not encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct CodecError {
    cause: String,
}

impl CodecError {
    /// For this cause.
    pub fn new(cause: impl Into<String>) -> Self {
        CodecError {
            cause: cause.into(),
        }
    }

    /// The same, in this column.
    pub(crate) fn in_column(self, name: &str) -> Self {
        CodecError::new(format!("column `{name}`: {}", self.cause))
    }
}

impl serde::de::Error for CodecError {
    fn custom<T: fmt::Display>(cause: T) -> Self {
        CodecError::new(cause.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        CodecError::new(format!("there is no column `{field}`"))
    }
}

impl serde::ser::Error for CodecError {
    fn custom<T: fmt::Display>(cause: T) -> Self {
        CodecError::new(cause.to_string())
    }
}
