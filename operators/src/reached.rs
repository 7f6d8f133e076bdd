//! How far time had come, in the saved form of an operator.

use millstream_engine::Result;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::Timestamp;

/// The piece of saved state that says it.
const REACHED: &str = "reached";

pub(crate) fn save(state: &mut StateWriter, time: Timestamp) -> Result<()> {
    state.put_piece(REACHED, &time)
}

/// How far it had come in every replica there was: what one of them had not reached may still come here.
pub(crate) fn restored(state: &StateReader) -> Result<Timestamp> {
    Ok(state.least_piece()?.unwrap_or(Timestamp::MIN))
}
