//! Streams as text.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::time::Timestamp;

/// A stream, written down: records as `value@time`, watermarks as `^time`, the end as `|`, with spaces between; and
/// `~time` for processing time having come so far. Times are in microseconds; a record without one is at 0.
///
/// ```
/// use millstream_engine::harness::Script;
///
/// let script: Script = "a@1 b@2 ^2 c@5 |".parse()?;
/// assert_eq!(script.items.len(), 5);
/// assert_eq!(script.to_string(), "a@1 b@2 ^2 c@5 |");
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What comes, in order.
    pub items: Vec<Item>,
}

/// One thing in a [`Script`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A record: its value as text, and its time.
    Record(String, Timestamp),
    /// A watermark.
    Watermark(Timestamp),
    /// Processing time: it is at 0 when a script begins, and goes by this alone.
    ProcessingTime(Timestamp),
    /// The end.
    End,
}

impl FromStr for Script {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let items = text
            .split_whitespace()
            .map(item)
            .collect::<Result<_, _>>()?;
        Ok(Script { items })
    }
}

fn item(text: &str) -> Result<Item, Error> {
    let time = |micros: &str| match micros.parse() {
        Ok(micros) => Ok(Timestamp::from_micros(micros)),
        Err(cause) => Err(Error::config(format!("`{text}` has no time")).caused_by(cause)),
    };
    if text == "|" {
        return Ok(Item::End);
    }
    if let Some(micros) = text.strip_prefix('^') {
        return Ok(Item::Watermark(time(micros)?));
    }
    if let Some(micros) = text.strip_prefix('~') {
        return Ok(Item::ProcessingTime(time(micros)?));
    }
    match text.rsplit_once('@') {
        Some((value, micros)) => Ok(Item::Record(value.to_owned(), time(micros)?)),
        None => Ok(Item::Record(text.to_owned(), Timestamp::EPOCH)),
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match item {
                Item::Record(value, time) => write!(f, "{value}@{}", time.as_micros())?,
                Item::Watermark(time) => write!(f, "^{}", time.as_micros())?,
                Item::ProcessingTime(time) => write!(f, "~{}", time.as_micros())?,
                Item::End => f.write_str("|")?,
            }
        }
        Ok(())
    }
}

impl Script {
    /// Without watermarks.
    pub(super) fn without_watermarks(&self) -> Script {
        let is_other = |item: &&Item| !matches!(item, Item::Watermark(_));
        Script {
            items: self.items.iter().filter(is_other).cloned().collect(),
        }
    }

    /// With the records between two watermarks sorted, so that their order counts no more.
    pub(super) fn sorted(&self) -> Script {
        let mut items = self.items.clone();
        for records in items.split_mut(|item| !matches!(item, Item::Record(..))) {
            records.sort();
        }
        Script { items }
    }

    pub(super) fn has_watermarks(&self) -> bool {
        self.items
            .iter()
            .any(|item| matches!(item, Item::Watermark(_)))
    }
}

/// The first record that is earlier than a watermark before it.
pub(super) fn first_late<'i>(items: impl IntoIterator<Item = &'i Item>) -> Option<&'i Item> {
    let mut watermark = Timestamp::MIN;
    items.into_iter().find(|item| match item {
        Item::Record(_, time) => *time < watermark,
        Item::Watermark(time) => {
            watermark = watermark.max(*time);
            false
        }
        Item::ProcessingTime(_) | Item::End => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        text.parse().unwrap()
    }

    #[test]
    fn text_comes_back() {
        for text in ["", "a@-1 ^-5 ~7 x@y@3 |", "|"] {
            assert_eq!(script(text).to_string(), text);
        }
        assert_eq!(script("a").to_string(), "a@0");
        assert!(
            "a@b"
                .parse::<Script>()
                .unwrap_err()
                .to_string()
                .contains("`a@b` has no time")
        );
    }

    #[test]
    fn order_counts_only_across_watermarks() {
        assert_eq!(
            script("b@2 a@1 ^3 c@4 |").sorted(),
            script("a@1 b@2 ^3 c@4 |")
        );
        assert_ne!(script("^3 a@1").sorted(), script("a@1 ^3").sorted());
        assert_eq!(
            script("b@2 ^3 a@1").without_watermarks().sorted(),
            script("a@1 b@2")
        );
        assert_eq!(
            first_late(&script("a@1 ^3 b@3 c@2").items),
            Some(&Item::Record("c".into(), Timestamp::from_micros(2)))
        );
    }
}
