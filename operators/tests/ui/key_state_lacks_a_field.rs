use millstream::operators::{MapState, ValueState, key_state};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Visitor {
    last: ValueState<String>,
    per_page: MapState<String, u64>,
}

// What is not named would never expire.
key_state!(Visitor { last });

fn main() {}
