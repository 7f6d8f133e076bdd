//! Where connections come from.

use std::net::SocketAddr;
use std::time::Duration;

use millstream_engine::{Result, runtime};

use super::dialer::Dialer;
use super::settings::Reconnect;
use super::transport::{Address, Listener, Socket};

/// What gives one connection after another.
pub(super) enum Door {
    Dial { dialer: Dialer, again: bool },
    Listen(Listener),
}

impl Door {
    pub(super) fn dial(address: Address, reconnect: Option<Reconnect>) -> Self {
        let again = reconnect.is_some();
        let dialer = Dialer::new(address, reconnect.unwrap_or_else(Reconnect::never));
        Door::Dial { dialer, again }
    }

    /// The next connection. It outlives any trouble of a listener.
    pub(super) async fn next(&mut self) -> Result<(Socket, Option<SocketAddr>)> {
        match self {
            Door::Dial { dialer, .. } => Ok((dialer.dial().await?, None)),
            Door::Listen(listener) => loop {
                match listener.accept().await {
                    Ok(accepted) => return Ok(accepted),
                    // A peer that is gone again, or no file handle left: the next one may do.
                    Err(cause) => {
                        tracing::warn!(%cause, "cannot accept a connection");
                        runtime::sleep(Duration::from_millis(100)).await;
                    }
                }
            },
        }
    }
}
