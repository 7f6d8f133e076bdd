//! A filter among others: the lines of standard input that contain a word, as they come.
//!
//! ```text
//! tail -f access.log | cargo run --example grep -- ERROR | head
//! ```
//!
//! It ends with its input, when nobody reads on, or at Ctrl-C; and then says on standard error what it did.

use millstream::prelude::*;

fn main() -> millstream::Result<()> {
    let word = std::env::args().nth(1).unwrap_or_default();
    let flow = Flow::new("grep", move |flow| {
        let word = word.clone();
        flow.source("in", stdin().lines())
            .filter(move |line| line.contains(&word))
            .sink("out", stdout().lines());
    });
    let report = flow.with_parallelism(1).run_blocking()?;
    eprint!("{report}");
    Ok(())
}
