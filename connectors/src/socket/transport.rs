//! TCP and Unix streams behind one face. The only file that names async-net's streams.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_net::unix::{UnixListener, UnixStream};
use async_net::{TcpListener, TcpStream};
use futures::io::{AsyncRead, AsyncWrite};
use millstream_engine::{Error, Result, runtime};

/// Where to connect to, or to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `host:port`.
    Tcp(String),
    /// A path in the file system.
    Unix(PathBuf),
}

impl Address {
    /// Refuses what can never be connected to. (That the name is unknown or nobody listens may pass.)
    pub(super) fn check(&self) -> Result<()> {
        let Address::Tcp(address) = self else {
            return Ok(());
        };
        match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(()),
            _ => Err(Error::config(format!(
                "`{address}` is not an address to connect to: it should be `host:port`, with a port up to 65535"
            ))),
        }
    }

    pub(super) async fn connect(&self) -> io::Result<Socket> {
        match self {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address.as_str()).await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
            Address::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
        }
    }

    pub(super) async fn listen(&self, reach: Reach) -> Result<Listener> {
        let failed = |cause| Error::config(format!("cannot listen on {self}")).caused_by(cause);
        match self {
            Address::Tcp(address) => {
                let addresses = resolve(address, reach).await?;
                let listener = TcpListener::bind(addresses.as_slice()).await;
                Ok(Listener::Tcp(listener.map_err(failed)?))
            }
            Address::Unix(path) => {
                remove_stale(path).await;
                let listener = UnixListener::bind(path).map_err(failed)?;
                let _file = Arc::new(SocketFile(path.clone()));
                Ok(Listener::Unix { listener, _file })
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => f.write_str(address),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Who may reach a socket that is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// This machine only.
    Loopback,
    /// Whoever the network lets through.
    Remote,
}

/// The addresses to bind to.
///
/// # Errors
/// The name is unknown, or is more than loopback where only that is allowed.
pub(super) async fn resolve(address: &str, reach: Reach) -> Result<Vec<SocketAddr>> {
    no_simulation(address)?;
    let addresses = async_net::resolve(address).await.map_err(|cause| {
        Error::config(format!("`{address}` is not an address to listen on")).caused_by(cause)
    })?;
    let open = addresses.iter().find(|address| !address.ip().is_loopback());
    match open {
        Some(open) if reach == Reach::Loopback => Err(Error::config(format!(
            "{open} can be reached from other machines; if that is meant, say `.allow_remote()`"
        ))),
        _ => Ok(addresses),
    }
}

/// # Errors
/// The caller is simulated: no virtual clock moves a real socket.
pub(super) fn no_simulation(address: impl fmt::Display) -> Result<()> {
    if runtime::is_simulated() {
        return Err(Error::config(format!(
            "a simulated flow has no sockets ({address}): give it records from memory"
        )));
    }
    Ok(())
}

/// A connection.
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, bytes),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Says that nothing follows; what comes the other way can still be read.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_close(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}

/// What accepts connections. Its clones share one queue of them.
#[derive(Clone)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        _file: Arc<SocketFile>,
    },
}

impl Listener {
    /// The next connection, and the name of the peer if it has one.
    pub(super) async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Socket::Tcp(stream), Some(peer)))
            }
            Listener::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }

    /// The bound address, for TCP.
    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix { .. } => None,
        }
    }
}

/// The file of a Unix socket; goes when the last listener goes.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Removes the file of a Unix socket whose process is gone; binding would fail for ever.
async fn remove_stale(path: &Path) {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if !is_socket {
        return;
    }
    if let Err(cause) = UnixStream::connect(path).await
        && cause.kind() == io::ErrorKind::ConnectionRefused
    {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_engine::ErrorKind;
    use millstream_engine::runtime::block_on;

    #[test]
    fn only_loopback_is_bound_unless_told_otherwise() {
        block_on(async {
            for address in ["0.0.0.0:0", "[::]:0"] {
                let refused = resolve(address, Reach::Loopback).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Config);
                assert!(refused.to_string().contains("allow_remote"), "{refused}");
                resolve(address, Reach::Remote).await.unwrap();
            }
            resolve("localhost:0", Reach::Loopback).await.unwrap();
            assert!(resolve("no port", Reach::Loopback).await.is_err());
        });
    }

    #[test]
    fn a_simulated_flow_gets_a_clear_refusal() {
        let refused = runtime::simulate(1, resolve("127.0.0.1:0", Reach::Loopback)).unwrap();
        assert!(refused.unwrap_err().to_string().contains("simulated"));
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_living_one_is_not() {
        block_on(async {
            let path =
                std::env::temp_dir().join(format!("millstream-stale-{}", std::process::id()));
            let address = Address::Unix(path.clone());
            // Left behind, as by a process that was killed.
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let living = address.listen(Reach::Loopback).await.unwrap();
            assert!(address.listen(Reach::Loopback).await.is_err());
            drop(living);
            assert!(!path.exists());
        });
    }

    #[test]
    fn only_what_can_be_connected_to_is_tried() {
        let check = |address: &str| Address::Tcp(address.to_owned()).check();
        for good in [
            "localhost:80",
            "127.0.0.1:65535",
            "[::1]:9000",
            "nohost.invalid:1",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["localhost", "localhost:99999", ":80", "localhost:http", ""] {
            let error = check(bad).unwrap_err().to_string();
            assert!(error.contains("`host:port`"), "{error}");
        }
        assert!(Address::Unix("/nonexistent".into()).check().is_ok());
    }
}
