//! Connecting, and coming back after a loss.

use std::io;
use std::time::Duration;

use millstream_engine::{Error, Result, runtime};

use super::settings::Reconnect;
use super::transport::{Address, Socket};
use crate::generator::Random;

/// No pause is longer, whatever is set.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Makes one connection after another to the same address.
pub(super) struct Dialer {
    address: Address,
    reconnect: Reconnect,
    /// The pause before the next attempt, still without jitter. Zero before the very first.
    pause: Duration,
    random: Random,
}

impl Dialer {
    pub(super) fn new(address: Address, reconnect: Reconnect) -> Self {
        // The seed need only differ from one process to the next; sockets are never simulated.
        let moment = runtime::wall().as_micros() as u64;
        let process = u64::from(std::process::id());
        Dialer {
            address,
            reconnect,
            pause: Duration::ZERO,
            random: Random::new(moment ^ (process << 40)),
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// A connection, sooner or later.
    ///
    /// # Errors
    /// As many attempts in a row failed as are allowed.
    pub(super) async fn dial(&mut self) -> Result<Socket> {
        let mut failures = 0;
        loop {
            let pause = self.pause.mul_f64(0.5 + 0.5 * self.random.unit());
            if !pause.is_zero() {
                runtime::sleep(pause).await;
            }
            let longer = self.pause.saturating_mul(2).max(self.reconnect.first);
            self.pause = longer.min(self.reconnect.longest).min(LONGEST);
            let attempt = runtime::timeout(self.reconnect.deadline, self.address.connect()).await;
            let cause = match attempt {
                Some(Ok(socket)) => return Ok(socket),
                Some(Err(cause)) => cause,
                None => io::ErrorKind::TimedOut.into(),
            };
            failures += 1;
            let address = &self.address;
            tracing::warn!(%address, failures, %cause, "cannot connect");
            if self
                .reconnect
                .attempts
                .is_some_and(|attempts| failures >= attempts)
            {
                let message = format!("no connection to {address} in {failures} attempts");
                return Err(Error::connection(message).caused_by(cause));
            }
        }
    }

    /// The connection brought something: after its loss, pauses are short again.
    pub(super) fn succeeded(&mut self) {
        self.pause = self.reconnect.first.min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_engine::ErrorKind;
    use millstream_engine::runtime::block_on;

    #[test]
    fn it_gives_up_after_so_many_attempts_and_pauses_grow() {
        block_on(async {
            let nobody = Address::Unix("/nonexistent/millstream".into());
            let pauses = Reconnect::default()
                .with_pauses(Duration::from_millis(1), Duration::from_millis(3))
                .with_attempts(3);
            let mut dialer = Dialer::new(nobody, pauses);
            let error = dialer.dial().await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Connection);
            assert!(
                error
                    .to_string()
                    .contains("/nonexistent/millstream in 3 attempts")
            );
            assert_eq!(dialer.pause, Duration::from_millis(3));
            dialer.succeeded();
            assert_eq!(dialer.pause, Duration::from_millis(1));
        });
    }
}
