//! Reading bounded files, in parallel.
//!
//! One [`Dealer`](dealer::Dealer) reads the files in order and cuts them into pieces at frame borders;
//! readers take the next piece whenever they want one, and decode it. With halves of a file instead of
//! pieces in turn, the second half's windows would all wait for the first half. A gzip file is
//! unpacked by whoever takes the next piece, so its records are decoded in parallel as well.
//!
//! A [`Ledger`](ledger::Ledger) knows who was dealt what, and so what is left to read.

mod dealer;
mod input;
mod ledger;
mod opened;
mod reader;
mod source;
mod span;

pub use reader::FileReader;
pub use source::FileSource;
