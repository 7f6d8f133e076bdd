//! Records with a key and without: what a call is asked about, and how its answer goes on.

use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::outbox::Outbox;
use millstream_engine::time::Timestamp;

use super::lines::Label;
use crate::keyed::Key;

/// With a key or without: how records are taken apart for a call, and put together with its answer.
pub(super) trait Keying: 'static {
    type Record: Send + 'static;
    type Label: Label;
    type Value: Send + 'static;

    fn open(record: Self::Record) -> (Self::Label, Self::Value);

    fn give<U: Send + 'static>(
        out: &mut Outbox,
        port: usize,
        label: Self::Label,
        value: U,
        time: Timestamp,
    ) -> Result<()>;
}

/// Records without a key.
pub(super) struct Plain<T>(PhantomData<T>);

impl<T: Send + 'static> Keying for Plain<T> {
    type Record = T;
    type Label = ();
    type Value = T;

    fn open(record: T) -> ((), T) {
        ((), record)
    }

    fn give<U: Send + 'static>(
        out: &mut Outbox,
        port: usize,
        (): (),
        value: U,
        time: Timestamp,
    ) -> Result<()> {
        out.port(port)?.push(value, time);
        Ok(())
    }
}

/// Records under a key, which their answers keep.
pub(super) struct ByKey<K, T>(PhantomData<(K, T)>);

/// A key with its hash.
#[derive(PartialEq, Eq)]
pub(super) struct KeyLabel<K> {
    pub(super) hash: KeyHash,
    pub(super) key: K,
}

impl<K: Key> Label for KeyLabel<K> {
    fn hash(&self) -> KeyHash {
        self.hash
    }
}

impl<K: Key, T: Send + 'static> Keying for ByKey<K, T> {
    type Record = Keyed<K, T>;
    type Label = KeyLabel<K>;
    type Value = T;

    fn open(record: Keyed<K, T>) -> (KeyLabel<K>, T) {
        let Keyed { hash, key, value } = record;
        (KeyLabel { hash, key }, value)
    }

    fn give<U: Send + 'static>(
        out: &mut Outbox,
        port: usize,
        label: KeyLabel<K>,
        value: U,
        time: Timestamp,
    ) -> Result<()> {
        let KeyLabel { hash, key } = label;
        out.port(port)?
            .push_keyed(hash, Keyed { hash, key, value }, time);
        Ok(())
    }
}
