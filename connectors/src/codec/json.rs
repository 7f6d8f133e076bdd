//! JSON, by serde.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CodecError, Decoder, Encoder};

/// One JSON value per frame. A frame of white space only is blank.
///
/// Values nested deeper than 128 levels are refused (serde_json's own bound).
///
/// ```
/// use millstream_connectors::codec::{Decoder, Encoder, Json};
///
/// let mut json = Json::<(u32, String)>::new();
/// let value = json.decode(br#"[7, "seven"]"#)?.expect("not blank");
/// assert_eq!(value, (7, "seven".to_owned()));
///
/// let mut out = Vec::new();
/// json.encode(&value, &mut out)?;
/// assert_eq!(out, br#"[7,"seven"]"#);
/// # Ok::<(), millstream_connectors::codec::CodecError>(())
/// ```
pub struct Json<T>(PhantomData<fn() -> T>);

impl<T> Json<T> {
    /// JSON of `T`.
    pub const fn new() -> Self {
        Json(PhantomData)
    }
}

impl<T> Default for Json<T> {
    fn default() -> Self {
        Json::new()
    }
}

// By hand, because a derive would ask for `T: Clone`.
impl<T> Clone for Json<T> {
    fn clone(&self) -> Self {
        Json::new()
    }
}

impl<T> std::fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Json")
    }
}

impl<T: DeserializeOwned + Send + 'static> Decoder for Json<T> {
    type Out = T;

    #[inline]
    fn decode(&mut self, frame: &[u8]) -> Result<Option<T>, CodecError> {
        // As `serde_json::from_slice` does it, but inlined into the loop over the frames.
        let mut json = serde_json::Deserializer::from_slice(frame);
        match T::deserialize(&mut json).and_then(|value| json.end().map(|()| value)) {
            Ok(value) => Ok(Some(value)),
            Err(_) if frame.trim_ascii().is_empty() => Ok(None),
            Err(cause) => Err(CodecError::new(cause.to_string())),
        }
    }
}

impl<T: Serialize + Send + 'static> Encoder for Json<T> {
    type In = T;

    fn encode(&mut self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        serde_json::to_writer(out, value).map_err(|cause| CodecError::new(cause.to_string()))
    }
}
