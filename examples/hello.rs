//! The smallest flow: numbers in, squares out, and how long each took.
//!
//! ```text
//! cargo run --example hello
//! ```

use millstream::prelude::*;

fn main() -> millstream::Result<()> {
    let flow = Flow::new("hello", |flow| {
        flow.source("numbers", from_iter(1..=10))
            .map(|n| format!("{n} squared is {}", n * n))
            .sink("out", stdout().lines());
    });
    let report = flow.run_blocking()?;
    eprintln!("\n{}", report.latency());
    Ok(())
}
