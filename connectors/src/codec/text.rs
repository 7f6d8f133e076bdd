//! Frames as they are: text, or bytes.

use std::fmt::Display;
use std::io::Write;
use std::marker::PhantomData;

use super::{CodecError, Decoder, Encoder};

/// UTF-8 text: gives `String`s, takes whatever can be displayed.
pub struct Text<T = String>(PhantomData<fn() -> T>);

impl<T> Text<T> {
    /// Text.
    pub const fn new() -> Self {
        Text(PhantomData)
    }
}

impl<T> Default for Text<T> {
    fn default() -> Self {
        Text::new()
    }
}

// By hand, because a derive would ask for `T: Clone`.
impl<T> Clone for Text<T> {
    fn clone(&self) -> Self {
        Text::new()
    }
}

impl<T> std::fmt::Debug for Text<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text")
    }
}

impl Decoder for Text {
    type Out = String;

    #[inline]
    fn decode(&mut self, frame: &[u8]) -> Result<Option<String>, CodecError> {
        match std::str::from_utf8(frame) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(cause) => Err(CodecError::new(cause.to_string())),
        }
    }
}

impl<T: Display + Send + 'static> Encoder for Text<T> {
    type In = T;

    fn encode(&mut self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        write!(out, "{value}").map_err(|cause| CodecError::new(cause.to_string()))
    }
}

/// Bytes, as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes;

impl Decoder for Bytes {
    type Out = Vec<u8>;

    #[inline]
    fn decode(&mut self, frame: &[u8]) -> Result<Option<Vec<u8>>, CodecError> {
        Ok(Some(frame.to_owned()))
    }
}

impl Encoder for Bytes {
    type In = Vec<u8>;

    fn encode(&mut self, value: &Vec<u8>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value);
        Ok(())
    }
}
