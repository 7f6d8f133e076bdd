//! A record as serde sees it: a map from the names of its columns, or a sequence.

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::field_de::FieldDeserializer;
use super::row::Row;
use crate::codec::CodecError;

/// Where in the header the fields of the struct are. Found once, not once per record.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout(Option<Vec<(usize, &'static str)>>);

impl Layout {
    fn of(&mut self, header: &[Box<str>], fields: &'static [&'static str]) -> &[Column] {
        self.0.get_or_insert_with(|| {
            let column = |field: &&'static str| {
                let column = header.iter().position(|name| **name == **field)?;
                Some((column, *field))
            };
            fields.iter().filter_map(column).collect()
        })
    }
}

type Column = (usize, &'static str);

pub(super) struct RowDeserializer<'r, 'd> {
    pub(super) row: Row<'r>,
    pub(super) header: Option<&'d [Box<str>]>,
    pub(super) layout: &'d mut Layout,
}

impl RowDeserializer<'_, '_> {
    fn sequence<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_seq(Fields {
            row: self.row,
            header: self.header,
            column: 0,
        })
    }
}

impl<'de> Deserializer<'de> for RowDeserializer<'_, '_> {
    type Error = CodecError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        match self.header {
            Some(header) => visitor.visit_map(Named {
                row: self.row,
                columns: self.layout.of(header, fields).iter(),
                current: (0, ""),
            }),
            None => self.sequence(visitor),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.header {
            Some(header) => visitor.visit_map(All {
                row: self.row,
                header,
                column: 0,
            }),
            None => self.sequence(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.sequence(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.sequence(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.sequence(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct map enum identifier ignored_any
    }
}

/// The columns the struct has fields for.
struct Named<'r, 'd> {
    row: Row<'r>,
    columns: std::slice::Iter<'d, Column>,
    current: Column,
}

impl<'de> MapAccess<'de> for Named<'_, '_> {
    type Error = CodecError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, CodecError> {
        let Some(&column) = self.columns.next() else {
            return Ok(None);
        };
        self.current = column;
        seed.deserialize(BorrowedStrDeserializer::new(column.1))
            .map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, CodecError> {
        let (column, name) = self.current;
        seed.deserialize(FieldDeserializer(self.row.field(column)))
            .map_err(|cause| cause.in_column(name))
    }
}

/// All columns, for a map or a struct with a flattened rest.
struct All<'r, 'd> {
    row: Row<'r>,
    header: &'d [Box<str>],
    column: usize,
}

impl<'de> MapAccess<'de> for All<'_, '_> {
    type Error = CodecError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, CodecError> {
        match self.header.get(self.column) {
            Some(name) => seed.deserialize(StrDeserializer::new(name)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, CodecError> {
        let column = self.column;
        self.column += 1;
        seed.deserialize(FieldDeserializer(self.row.field(column)))
            .map_err(|cause| cause.in_column(self.header.get(column).map_or("", |name| name)))
    }
}

/// All fields, in their order.
struct Fields<'r, 'd> {
    row: Row<'r>,
    header: Option<&'d [Box<str>]>,
    column: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, '_> {
    type Error = CodecError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, CodecError> {
        let column = self.column;
        if column >= self.row.len() {
            return Ok(None);
        }
        self.column += 1;
        let outcome = seed.deserialize(FieldDeserializer(self.row.field(column)));
        let name = self.header.and_then(|header| header.get(column));
        outcome.map(Some).map_err(|cause| match name {
            Some(name) => cause.in_column(name),
            None => cause.in_column(&(column + 1).to_string()),
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.len() - self.column)
    }
}
