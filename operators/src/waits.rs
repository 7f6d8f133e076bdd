//! What operators tell [`why`](millstream_engine::why) of what waits in them.

use millstream_engine::time::Timestamp;
use millstream_engine::why::{Explanation, Until, Wait};

use crate::window::Window;

/// Of what waits in a certain order only by and large, so many are looked at for the first.
pub(crate) const LOOKED_AT: usize = 4_096;

/// Tells that `window` is the first of so many to wait for the watermark.
pub(crate) fn explain_first(why: &mut Explanation, window: Window, open: usize) {
    let until = Until::Watermark(window.end);
    why.waits(Wait::new(window.told(), until).first_of(open));
}

/// Tells what waits, the next to speak first.
pub(crate) fn tell(mut waits: Vec<Wait>, why: &mut Explanation) {
    waits.sort_by_key(|wait| wait.until.watermark().unwrap_or(Timestamp::MAX));
    for wait in waits {
        why.waits(wait);
    }
}
