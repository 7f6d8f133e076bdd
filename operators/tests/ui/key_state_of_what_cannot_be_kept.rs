use millstream::operators::{ValueState, key_state};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Page;

#[derive(Default, Serialize, Deserialize)]
struct Visitor {
    last: ValueState<String>,
    page: Page,
}

key_state!(Visitor { last, page });

fn main() {}
