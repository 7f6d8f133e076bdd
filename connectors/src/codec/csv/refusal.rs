//! What CSV has no form for, refused in the same words wherever it turns up.

use crate::codec::CodecError;

/// In the place of a field: a list, a map, a struct, an enum with data.
pub(super) fn nested() -> CodecError {
    CodecError::new("a CSV field holds a single value")
}

/// In the place of a record: a single value.
pub(super) fn not_a_row() -> CodecError {
    CodecError::new("a CSV record is a struct, a tuple, a sequence or a map")
}

/// The methods by which a serializer refuses what it is given.
macro_rules! refuse {
    ($refusal:expr; $($method:ident $(<$value:ident>)? ($($argument:ty),*) -> $given:ty,)*) => {$(
        fn $method $(<$value: Serialize + ?Sized>)? (self, $(_: $argument),*) -> Result<$given, CodecError> {
            Err($refusal)
        }
    )*};
}

pub(super) use refuse;
