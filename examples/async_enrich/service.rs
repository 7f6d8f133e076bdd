//! A slow service on loopback, and its client: a line is a question, a line is an answer, and many are under way on
//! one connection.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_net::{TcpListener, TcpStream};
use futures::channel::{mpsc, oneshot};
use futures::future::try_join;
use futures::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use futures::lock::Mutex;
use futures::{StreamExt, TryStreamExt};
use millstream::runtime;

/// Starts the service for one connection. Each answer takes `delay`, however many are asked for.
pub(crate) async fn start(delay: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    runtime::spawn(async move {
        let (mut connection, _) = listener.accept().await?;
        let questions = BufReader::new(connection.clone()).lines();
        let mut answers = questions
            .map_ok(|question| async move {
                runtime::sleep(delay).await;
                let price = question.len() as f64 * 9.99;
                Ok(format!("{question} {price}\n"))
            })
            .try_buffer_unordered(10_000);
        while let Some(answer) = answers.try_next().await? {
            connection.write_all(answer.as_bytes()).await?;
        }
        io::Result::Ok(())
    })
    .detach();
    Ok(address)
}

/// Asks over one connection. Clones share it.
#[derive(Clone)]
pub(crate) struct Client(mpsc::UnboundedSender<(u32, oneshot::Sender<String>)>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let mut connection = TcpStream::connect(address).await?;
        let mut answers = BufReader::new(connection.clone()).lines();
        let (ask, mut asked) = mpsc::unbounded::<(u32, oneshot::Sender<String>)>();
        let talk = async move {
            let waiting = Mutex::new(HashMap::new());
            let asking = async {
                while let Some((order, reply)) = asked.next().await {
                    waiting.lock().await.insert(order.to_string(), reply);
                    connection
                        .write_all(format!("{order}\n").as_bytes())
                        .await?;
                }
                Ok(())
            };
            let hearing = async {
                while let Some(answer) = answers.try_next().await? {
                    let Some((order, price)) = answer.split_once(' ') else {
                        continue;
                    };
                    if let Some(reply) = waiting.lock().await.remove(order) {
                        // Whoever asked may have given up.
                        let _ = reply.send(price.to_owned());
                    }
                }
                io::Result::<()>::Err(io::ErrorKind::UnexpectedEof.into())
            };
            try_join(asking, hearing).await
        };
        runtime::spawn(talk).detach();
        Ok(Client(ask))
    }

    /// The answer; `None` if the connection is lost.
    pub(crate) async fn ask(&self, order: u32) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.0.unbounded_send((order, reply)).ok()?;
        answer.await.ok()
    }
}
