//! What has not spoken yet, and what it waits for.

use std::time::Duration;

use serde::Serialize;

use crate::time::Timestamp;

/// Something that has not spoken yet: a window, a timer, a call.
///
/// Its parts make one sentence: *what*, the first of so many, *waits for* until.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Wait {
    /// What waits, in words; of several the one that is the next: "the window from … to …", "the timer of a key".
    pub what: String,
    /// What it waits for.
    pub until: Until,
    /// How many of its kind wait, itself the first, where that is known.
    pub of: Option<usize>,
    /// How long it has waited so far, where that is known.
    pub age: Option<Duration>,
}

/// What something waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Until {
    /// That the watermark comes to this time.
    Watermark(Timestamp),
    /// That the wall clock comes to this time.
    ProcessingTime(Timestamp),
    /// That more records come.
    Records,
    /// That the outside answers.
    Answer,
    /// That one of the vertex's inputs ends.
    InputEnd {
        /// Which.
        input: usize,
        /// The vertices it comes from.
        from: Vec<String>,
    },
}

impl Wait {
    /// `what` waits for `until`.
    pub fn new(what: impl Into<String>, until: Until) -> Self {
        Wait {
            what: what.into(),
            until,
            of: None,
            age: None,
        }
    }

    /// It is the first of so many.
    #[must_use]
    pub fn first_of(mut self, of: usize) -> Self {
        self.of = Some(of);
        self
    }

    /// It has waited for so long.
    #[must_use]
    pub fn with_age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }
}

impl Until {
    /// The watermark it waits for, if it is one.
    pub fn watermark(&self) -> Option<Timestamp> {
        match self {
            Until::Watermark(time) => Some(*time),
            _ => None,
        }
    }

    /// The wall clock's time it waits for, if it is one.
    pub fn processing_time(&self) -> Option<Timestamp> {
        match self {
            Until::ProcessingTime(time) => Some(*time),
            _ => None,
        }
    }
}
