//! Which windows a record falls into.

use millstream_engine::time::Timestamp;

use crate::window::Window;

/// Says which windows a record falls into, by its time.
///
/// # Contract
/// 1. Every window it gives contains the time it was asked for; it may give none, one or several, in the order of
///    their starts.
/// 2. The answer depends on the time alone.
/// 3. If they [merge](WindowAssigner::merges), windows of one key that overlap become one, which spans them all.
/// 4. All moments of the [`slice`](WindowAssigner::slice) of a time fall into the same windows.
/// 5. Two assigners with the same [`kind`](WindowAssigner::kind) give the same answers: saved windows are restored
///    under it.
///
/// Here is one of one's own, for windows that belong to no clock:
///
/// ```
/// use millstream_engine::time::Timestamp;
/// use millstream_operators::{Window, WindowAssigner};
///
/// /// Before and after the change of the timetable.
/// #[derive(Clone)]
/// struct Timetables(Timestamp);
///
/// impl WindowAssigner for Timetables {
///     fn assign(&self, time: Timestamp, give: &mut dyn FnMut(Window)) {
///         give(match time < self.0 {
///             true => Window { start: Timestamp::MIN, end: self.0 },
///             false => Window { start: self.0, end: Timestamp::MAX },
///         });
///     }
///     fn kind(&self) -> String {
///         format!("timetables, new at {}", self.0)
///     }
/// }
/// ```
///
/// Source: the `AssignWindows` of Akidau et al., *The Dataflow Model*, VLDB 2015.
#[diagnostic::on_unimplemented(
    message = "`{Self}` says of no record which windows it falls into",
    note = "`Tumbling`, `Sliding`, `Session` and `Global` do, and what implements `WindowAssigner`"
)]
pub trait WindowAssigner: Clone + Send + 'static {
    /// Gives each window `time` lies in.
    fn assign(&self, time: Timestamp, give: &mut dyn FnMut(Window));

    /// A stretch of time that `time` lies in and in which nothing begins or ends: for records in it the windows need not be
    /// asked for again. Unless said otherwise, the moment alone.
    fn slice(&self, time: Timestamp) -> Window {
        let end = Timestamp::from_micros(time.as_micros().saturating_add(1));
        Window { start: time, end }
    }

    /// What the windows are, in a few words: the identity of what is saved.
    fn kind(&self) -> String;

    /// Whether windows of one key that overlap become one, as sessions do.
    fn merges(&self) -> bool {
        false
    }

    /// Every window ends at a multiple of so many microseconds: watermarks in between change no result. With 0 they
    /// end with the stream only.
    fn beat(&self) -> i64 {
        1
    }

    /// What is wrong with them, if anything: told when the flow starts.
    fn mistake(&self) -> Option<String> {
        None
    }
}
