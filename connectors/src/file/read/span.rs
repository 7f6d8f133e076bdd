//! Parts of files, and what is left when other parts are taken away.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bytes `start..end` of a file; `end` is [`Span::TO_END`] where they go to its end, wherever that is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) file: String,
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Span {
    pub(super) const TO_END: u64 = u64::MAX;
}

/// A set of bytes of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans(BTreeMap<String, Vec<(u64, u64)>>);

impl Spans {
    /// Puts a span in.
    pub(super) fn add(&mut self, span: Span) {
        let Span { file, start, end } = span;
        if start >= end {
            return;
        }
        let ranges = self.0.entry(file).or_default();
        // All it touches become one with it.
        let (mut start, mut end) = (start, end);
        ranges.retain(|&(from, to)| {
            let apart = to < start || end < from;
            if !apart {
                start = start.min(from);
                end = end.max(to);
            }
            apart
        });
        let at = ranges.partition_point(|&(from, _)| from < start);
        ranges.insert(at, (start, end));
    }

    /// Takes a span out.
    pub(super) fn remove(&mut self, span: &Span) {
        let Some(ranges) = self.0.get_mut(&span.file) else {
            return;
        };
        let cut = |&(from, to): &(u64, u64)| {
            let before = (from, to.min(span.start));
            let behind = (from.max(span.end), to);
            [before, behind].into_iter().filter(|(from, to)| from < to)
        };
        *ranges = ranges.iter().flat_map(cut).collect();
    }

    /// All of it, file by file, in order.
    pub(super) fn into_spans(self) -> impl Iterator<Item = Span> {
        self.0.into_iter().flat_map(|(file, ranges)| {
            ranges.into_iter().map(move |(start, end)| Span {
                file: file.clone(),
                start,
                end,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_sets_of_bytes(steps in vec((any::<bool>(), 0_u64..30, 0_u64..30), 0..20)) {
            let mut spans = Spans::default();
            let mut model = [false; 30];
            for (add, start, end) in steps {
                let span = Span { file: "f".into(), start, end };
                for byte in start..end {
                    model[byte as usize] = add;
                }
                if add { spans.add(span) } else if start < end { spans.remove(&span) }
            }
            let mut bytes = [false; 30];
            let mut last = None;
            for span in spans.into_spans() {
                prop_assert!(span.start < span.end);
                prop_assert!(last < Some(span.start), "in order, and none touches another");
                last = Some(span.end);
                for byte in span.start..span.end {
                    bytes[byte as usize] = true;
                }
            }
            prop_assert_eq!(bytes, model);
        }
    }
}
