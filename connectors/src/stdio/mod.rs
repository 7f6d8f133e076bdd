//! Standard input and output.
//!
//! A flow between them behaves as a filter should: it ends with its input, and when nobody reads its
//! output any more (`flow | head`) it ends quietly.
//!
//! ```
//! use millstream_connectors::codec::{ReadFormat, WriteFormat};
//! use millstream_connectors::stdio::{stdin, stdout};
//!
//! let lines = stdin().lines();
//! let results = stdout().json::<(String, u64)>();
//! ```

mod input;
mod output;

pub use input::{Stdin, StdinReader, StdinSource, stdin};
pub use output::{Stdout, StdoutSink, StdoutWriter, stdout};
