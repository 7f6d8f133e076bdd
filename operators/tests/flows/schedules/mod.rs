//! Each kind of operator under a thousand seeds, fed from several partitions out of order.

mod aggregates;
mod calls;
mod chain;
mod clocks;
mod counts;
mod facts;
mod lanes;
mod large;
mod late;
mod lookups;
mod panes;
mod state;
mod tables;
mod times;
mod windows;
