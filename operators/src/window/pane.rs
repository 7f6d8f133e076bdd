//! What windows say.

use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::window::Window;

/// What a window came to, under one key.
///
/// Its timestamp is the [last](Window::last) moment of the window. (A window without an end, as
/// [`Global`](crate::Global) is: that of its latest record so far, or the watermark, if that is later. A window of so many
/// records that speaks before it is full: the same.)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowResult<K, V> {
    /// The key.
    pub key: K,
    /// The window.
    pub window: Window,
    /// Which of the window's results this is.
    pub pane: Pane,
    /// What it came to.
    pub value: V,
}

/// Which of its window's results a result is.
///
/// # What follows upon what
/// 1. The panes of a window are numbered from 0, without gaps. A session that others were merged into goes on behind
///    the highest of their numbers.
/// 2. Early ones come first, then at most one on time, then late ones. (A session that a late record makes longer is
///    open again: it is early, and on time, once more.)
/// 3. A retraction is the pane it takes back, said again with `retracts`; it comes right before what replaces it, and
///    has the timestamp of that.
///
/// Source: the panes of Akidau et al., *The Dataflow Model*, VLDB 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pane {
    /// When it was said.
    pub timing: Timing,
    /// How many panes the window had before.
    pub number: u32,
    /// Whether it takes back what was said in the pane with this number, in place of saying it.
    pub retracts: bool,
}

impl Pane {
    /// The only pane of a window that speaks once.
    pub(super) const ONLY: Pane = Pane {
        timing: Timing::OnTime,
        number: 0,
        retracts: false,
    };
}

/// When a pane was said, seen from the end of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timing {
    /// Before the watermark had passed it: more may come. (A window of so many records: before it was full.)
    Early,
    /// When the watermark passed it, or when it was full.
    OnTime,
    /// Afterwards, for records that were late.
    Late,
}

/// How the panes of a window that speaks more than once go together.
///
/// It makes no difference to windows that speak once, as they do unless a [`Trigger`](crate::Trigger) or an allowed
/// lateness says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Panes {
    /// Each is of all records of the window so far, and replaces the one before.
    #[default]
    Accumulating,
    /// Each is of the records since the one before; they add up. There is none without a new record. A window forgets
    /// what it has said, which makes it small.
    Discarding,
    /// As accumulating, and what is replaced is taken back first: behind it sums stay right, whatever is said how
    /// often. Of sessions that were merged all that was said of them is taken back. The windows keep what they said
    /// last as well, so they are twice as large.
    Retracting,
}

/// A result's timestamp.
pub(super) fn timestamp(window: Window, latest: Timestamp, now: Timestamp) -> Timestamp {
    match window.end {
        Timestamp::MAX => latest.max(now),
        _ => window.last(),
    }
}
