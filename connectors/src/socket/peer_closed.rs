//! Whether a peer is still there from whom nothing is read: what it sends is ignored, that it closes is noticed.

use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use millstream_engine::runtime;

use super::transport::Socket;

/// At the end, a peer may take so long to close its side: closing ours earlier could cost it what is still on
/// the way.
const FAREWELL: Duration = Duration::from_secs(1);
/// So many reads at once: a peer that floods must not keep a thread to itself.
const READS: usize = 16;

/// Passes over what the peer said so far, or some of it, and sees whether it has closed.
pub(super) async fn see_whether_open(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut ignored = [0; 1024];
    std::future::poll_fn(|cx| {
        for _ in 0..READS {
            match Pin::new(&mut *socket).poll_read(cx, &mut ignored) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(cause)) => return Poll::Ready(Err(cause)),
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Passes over what the peer says until it closes its side; gives the reason. Can be given up at any time.
pub(super) async fn until_closed(socket: &mut (impl AsyncRead + Unpin)) -> io::Error {
    let mut ignored = [0; 1024];
    loop {
        match socket.read(&mut ignored).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => runtime::yield_now().await,
            Err(cause) => return cause,
        }
    }
}

/// Says that nothing follows, and waits for the peer to say the same.
pub(super) async fn farewell(mut socket: Socket) {
    let closing = async {
        socket.close().await?;
        until_closed(&mut socket).await;
        io::Result::Ok(())
    };
    // Too late for it to matter.
    let _ = runtime::timeout(FAREWELL, closing).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_engine::runtime::block_on;

    #[test]
    fn a_peer_that_floods_is_open_and_keeps_nobody() {
        block_on(see_whether_open(&mut futures::io::repeat(b'x'))).unwrap();
    }

    #[test]
    fn a_peer_that_has_closed_is_not_open() {
        let closed = block_on(see_whether_open(&mut futures::io::empty())).unwrap_err();
        assert_eq!(closed.kind(), io::ErrorKind::UnexpectedEof);
    }
}
