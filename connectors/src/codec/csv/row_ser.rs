//! A value as a CSV record, or the names of its fields as a header.

use serde::Serialize;
use serde::ser::{self, Impossible, SerializeMap, SerializeStruct, Serializer};

use super::field_ser::FieldSerializer;
use super::refusal::{not_a_row, refuse};
use crate::codec::CodecError;

/// Appends the record of `value`.
pub(super) fn values<T: Serialize>(
    value: &T,
    delimiter: u8,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    row(value, delimiter, false, out).map(drop)
}

/// Appends the names of its fields; `false` if they have none (a tuple).
pub(super) fn names<T: Serialize>(
    value: &T,
    delimiter: u8,
    out: &mut Vec<u8>,
) -> Result<bool, CodecError> {
    row(value, delimiter, true, out)
}

fn row<T: Serialize>(
    value: &T,
    delimiter: u8,
    names: bool,
    out: &mut Vec<u8>,
) -> Result<bool, CodecError> {
    let start = out.len();
    let mut row = Row {
        out,
        delimiter,
        names,
        named: false,
        fields: 0,
    };
    value.serialize(&mut row)?;
    let named = row.named;
    if out.len() == start {
        // A single empty field would be a blank line.
        out.extend_from_slice(b"\"\"");
    }
    Ok(named)
}

struct Row<'o> {
    out: &'o mut Vec<u8>,
    delimiter: u8,
    /// Write the names of the fields and not their values.
    names: bool,
    /// They have names.
    named: bool,
    fields: usize,
}

impl Row<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        if self.fields > 0 {
            self.out.push(self.delimiter);
        }
        self.fields += 1;
        value.serialize(FieldSerializer {
            out: self.out,
            delimiter: self.delimiter,
        })
    }
}

type Never = Impossible<(), CodecError>;

impl Serializer for &mut Row<'_> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Never;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Never;

    refuse! { not_a_row();
        serialize_bool(bool) -> (),
        serialize_i8(i8) -> (),
        serialize_i16(i16) -> (),
        serialize_i32(i32) -> (),
        serialize_i64(i64) -> (),
        serialize_u8(u8) -> (),
        serialize_u16(u16) -> (),
        serialize_u32(u32) -> (),
        serialize_u64(u64) -> (),
        serialize_f32(f32) -> (),
        serialize_f64(f64) -> (),
        serialize_char(char) -> (),
        serialize_str(&str) -> (),
        serialize_bytes(&[u8]) -> (),
        serialize_unit_struct(&'static str) -> (),
        serialize_none() -> (),
        serialize_unit() -> (),
        serialize_unit_variant(&'static str, u32, &'static str) -> (),
        serialize_newtype_variant<T>(&'static str, u32, &'static str, &T) -> (),
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never,
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CodecError> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        value.serialize(self)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self, CodecError> {
        Ok(self)
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self, CodecError> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Self, CodecError> {
        Ok(self)
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self, CodecError> {
        self.named = true;
        Ok(self)
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Self, CodecError> {
        self.named = true;
        Ok(self)
    }
}

impl SerializeStruct for &mut Row<'_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        if self.names {
            return self.field(name);
        }
        self.field(value).map_err(|cause| cause.in_column(name))
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), CodecError> {
        // Left out in one record, it would shift the columns behind it.
        self.field(if self.names { name } else { "" })
    }

    fn end(self) -> Result<(), CodecError> {
        Ok(())
    }
}

impl SerializeMap for &mut Row<'_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        if self.names { self.field(key) } else { Ok(()) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        if self.names {
            Ok(())
        } else {
            self.field(value)
        }
    }

    fn end(self) -> Result<(), CodecError> {
        Ok(())
    }
}

macro_rules! by_position {
    ($($trait:ident::$method:ident)*) => {$(
        impl ser::$trait for &mut Row<'_> {
            type Ok = ();
            type Error = CodecError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
                self.field(value)
            }

            fn end(self) -> Result<(), CodecError> {
                Ok(())
            }
        }
    )*};
}

by_position! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
}
