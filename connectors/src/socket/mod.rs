//! TCP, UDP and Unix sockets, as sources and as sinks.
//!
//! | | source | sink |
//! |---|---|---|
//! | we connect | [`Tcp::connect`], [`Unix::connect`] | [`Tcp::send_to`], [`Unix::send_to`] |
//! | others connect | [`Tcp::listen`], [`Unix::listen`] | [`Tcp::broadcast`], [`Unix::broadcast`] |
//! | datagrams | [`Udp::bind`] | [`Udp::send_to`] |
//!
//! Each then needs a format: `.lines()`, `.json::<T>()`, `.csv::<T>()` or any other
//! ([`ReadFormat`], [`WriteFormat`]).
//!
//! ```
//! use millstream_connectors::codec::{ReadFormat, WriteFormat};
//! use millstream_connectors::socket::{Tcp, Udp};
//!
//! let words = Tcp::listen("127.0.0.1:7000").lines();
//! let metrics = Udp::bind("127.0.0.1:8125").lines();
//! let results = Tcp::send_to("results.example:9000").json::<(String, u64)>();
//! let live = Tcp::broadcast("127.0.0.1:7001").csv::<(String, u64)>();
//! ```
//!
//! Sockets cannot be read twice: what was taken in and not yet handed on is lost in a crash. Listeners bind
//! to loopback unless `.allow_remote()` is said. Every bound and deadline is in [`Limits`] and
//! [`Reconnect`].

mod bound_address;
mod client_sink;
mod connect;
mod connection;
mod dialer;
mod incoming;
mod listen;
mod listeners;
mod peer_closed;
mod reader;
mod server_sink;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod transport;
mod udp;

use std::path::PathBuf;

#[cfg(doc)]
use crate::codec::{ReadFormat, WriteFormat};
use transport::Address;

pub use bound_address::BoundAddress;
pub use client_sink::{SendTo, SocketSink, SocketWriter};
pub use connect::Connect;
pub use listen::Listen;
pub use reader::SocketReader;
pub use server_sink::{Broadcast, BroadcastSink, BroadcastWriter};
pub use settings::{Limits, Reconnect};
pub use source::SocketSource;
pub use udp::{DropCounter, Udp, UdpBind, UdpReader, UdpSendTo, UdpSink, UdpSource, UdpWriter};

/// TCP. Addresses are `host:port`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Tcp;

impl Tcp {
    /// Records of the server at `address`.
    pub fn connect(address: impl Into<String>) -> Connect {
        Connect::new(Address::Tcp(address.into()))
    }

    /// Records of all who connect to `address`; port 0 lets the system choose one.
    ///
    /// By default a record that cannot be decoded stops the flow, whoever sent it: a server for many says
    /// `.on_bad_records(BadRecords::Skip)`, or sends them to a dead-letter sink.
    pub fn listen(address: impl Into<String>) -> Listen {
        Listen::new(Address::Tcp(address.into()))
    }

    /// Records to the server at `address`.
    pub fn send_to(address: impl Into<String>) -> SendTo {
        SendTo::new(Address::Tcp(address.into()))
    }

    /// Records to all who connect to `address`; port 0 lets the system choose one.
    pub fn broadcast(address: impl Into<String>) -> Broadcast {
        Broadcast::new(Address::Tcp(address.into()))
    }
}

/// Unix stream sockets. Addresses are paths; the file of a listener goes with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unix;

impl Unix {
    /// Records of the server at `path`.
    pub fn connect(path: impl Into<PathBuf>) -> Connect {
        Connect::new(Address::Unix(path.into()))
    }

    /// Records of all who connect to `path`.
    pub fn listen(path: impl Into<PathBuf>) -> Listen {
        Listen::new(Address::Unix(path.into()))
    }

    /// Records to the server at `path`.
    pub fn send_to(path: impl Into<PathBuf>) -> SendTo {
        SendTo::new(Address::Unix(path.into()))
    }

    /// Records to all who connect to `path`.
    pub fn broadcast(path: impl Into<PathBuf>) -> Broadcast {
        Broadcast::new(Address::Unix(path.into()))
    }
}
