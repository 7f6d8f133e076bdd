//! One bounded channel between two tasks. The only file of the engine that names flume.

use std::sync::Arc;

use super::Bell;

/// A channel for at most `capacity` messages; whoever sends rings `bell`.
pub(crate) fn channel<T>(capacity: usize, bell: &Arc<Bell>) -> (Sender<T>, Receiver<T>) {
    // With no room at all two tasks would have to meet; ours never wait for each other like that.
    let (sender, receiver) = flume::bounded(capacity.max(1));
    (
        Sender {
            sender: Some(sender),
            bell: bell.clone(),
        },
        Receiver { receiver },
    )
}

/// The sending end.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    sender: Option<flume::Sender<T>>,
    bell: Arc<Bell>,
}

/// The receiver is gone.
#[derive(Debug)]
pub(crate) struct Closed;

impl<T> Sender<T> {
    /// Sends, and waits while the channel is full.
    pub(crate) async fn send(&self, message: T) -> Result<(), Closed> {
        let Some(message) = self.try_send(message) else {
            return Ok(());
        };
        let Some(sender) = &self.sender else {
            return Err(Closed);
        };
        sender.send_async(message).await.map_err(|_| Closed)?;
        self.bell.ring();
        Ok(())
    }

    /// Sends if there is room; gives the message back if there is none.
    pub(crate) fn try_send(&self, message: T) -> Option<T> {
        let sent = match &self.sender {
            Some(sender) => sender
                .try_send(message)
                .map_err(flume::TrySendError::into_inner),
            None => Err(message),
        };
        match sent {
            Ok(()) => {
                self.bell.ring();
                None
            }
            Err(message) => Some(message),
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender {
            sender: self.sender.clone(),
            bell: self.bell.clone(),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // First close, then ring: the receiver must find the channel closed when it looks.
        self.sender = None;
        self.bell.ring();
    }
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    receiver: flume::Receiver<T>,
}

/// What a look into a channel shows.
#[derive(Debug)]
pub(crate) enum Received<T> {
    /// This.
    Message(T),
    /// Nothing now.
    Empty,
    /// Nothing ever again.
    Closed,
}

impl<T> Receiver<T> {
    /// Takes the next message, if there is one.
    pub(crate) fn try_recv(&self) -> Received<T> {
        match self.receiver.try_recv() {
            Ok(message) => Received::Message(message),
            Err(flume::TryRecvError::Empty) => Received::Empty,
            Err(flume::TryRecvError::Disconnected) => Received::Closed,
        }
    }

    /// Whether there is a message.
    pub(crate) fn has_message(&self) -> bool {
        !self.receiver.is_empty()
    }

    /// Whether a look would show something other than [`Received::Empty`].
    pub(crate) fn is_ready(&self) -> bool {
        !self.receiver.is_empty() || self.receiver.is_disconnected()
    }
}
