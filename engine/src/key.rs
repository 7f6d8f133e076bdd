//! Keys, their hash, and the shards they fall into.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// A record with its key, and the key's hash: computed once at `key_by`, used by every route and table behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed<K, T> {
    /// Hash of the key.
    pub hash: KeyHash,
    /// The key.
    pub key: K,
    /// The record's value.
    pub value: T,
}

impl<K: Hash, T> Keyed<K, T> {
    /// Hashes the key.
    pub fn new(key: K, value: T) -> Self {
        Keyed {
            hash: KeyHash::of(&key),
            key,
            value,
        }
    }
}

/// The hash of a key.
///
/// It decides in which shard a key's state is saved, so it is fixed: the same on every machine and in
/// every version. 64-bit words are mixed by a folded multiply (Wang Yi's wyhash; Ankerl's and
/// foldhash's use of it in hash tables).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyHash(pub u64);

impl KeyHash {
    /// The hash of `key`.
    #[inline]
    pub fn of<K: Hash + ?Sized>(key: &K) -> Self {
        let mut hasher = KeyHasher(SEED);
        key.hash(&mut hasher);
        KeyHash(hasher.finish())
    }

    /// The shard of this key among `shards`.
    ///
    /// Taken from the middle bits: hash tables use the lowest and the highest ones, and a replica that
    /// owns only some shards must not see them constant.
    #[inline]
    pub fn shard(self, shards: u32) -> Shard {
        let middle = (self.0 >> 24) & 0xffff_ffff;
        Shard(((middle * u64::from(shards)) >> 32) as u32)
    }
}

/// A fixed slice of the key space: the unit in which keyed state is saved and moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shard(pub u32);

impl Shard {
    /// The replica, of `parallelism`, that owns this shard of `shards`: contiguous, even ranges.
    pub fn owner(self, shards: u32, parallelism: usize) -> usize {
        (u64::from(self.0) * parallelism as u64 / u64::from(shards.max(1))) as usize
    }
}

const SEED: u64 = 0x243f_6a88_85a3_08d3;
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

struct KeyHasher(u64);

impl KeyHasher {
    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(MULTIPLIER);
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ self.0.rotate_left(23);
    }
}

impl Hasher for KeyHasher {
    #[inline]
    fn finish(&self) -> u64 {
        // One more round, so that the last word reaches every bit.
        let product = u128::from(self.0 ^ SEED) * u128::from(MULTIPLIER);
        (product as u64) ^ ((product >> 64) as u64)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut buffer = [0; 8];
            buffer.copy_from_slice(word);
            self.mix(u64::from_le_bytes(buffer));
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            let mut buffer = [0; 8];
            buffer[..rest.len()].copy_from_slice(rest);
            // The length keeps "a" and "a\0" apart.
            self.mix(u64::from_le_bytes(buffer) ^ ((rest.len() as u64) << 56));
        }
    }

    // The provided methods go through the machine's own byte order; these do not.
    #[inline]
    fn write_u8(&mut self, n: u8) {
        self.mix(u64::from(n));
    }
    #[inline]
    fn write_u16(&mut self, n: u16) {
        self.mix(u64::from(n));
    }
    #[inline]
    fn write_u32(&mut self, n: u32) {
        self.mix(u64::from(n));
    }
    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.mix(n);
    }
    #[inline]
    fn write_u128(&mut self, n: u128) {
        self.mix(n as u64);
        self.mix((n >> 64) as u64);
    }
    #[inline]
    fn write_usize(&mut self, n: usize) {
        self.mix(n as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_fixed_for_ever() {
        // Saved state depends on them: if this fails, the hash must be changed back.
        assert_eq!(KeyHash::of(&0u64).0, 0x477102c660c40648);
        assert_eq!(KeyHash::of(&42u64).0, 0x81932b4261500830);
        assert_eq!(KeyHash::of("JFK").0, 0x2d7945068724228a);
        assert_eq!(KeyHash::of(&("JFK", -7i32)).0, 0xcc36abcd2140fef1);
    }

    #[test]
    fn shards_are_even_and_owners_contiguous() {
        let mut counts = [0u32; 128];
        for n in 0..128_000u64 {
            counts[KeyHash::of(&n).shard(128).0 as usize] += 1;
        }
        assert!(
            counts.iter().all(|&count| (800..1_200).contains(&count)),
            "{counts:?}"
        );
        for parallelism in 1..=130 {
            let owners: Vec<_> = (0..128).map(|s| Shard(s).owner(128, parallelism)).collect();
            assert!(owners.is_sorted() && owners.iter().all(|&owner| owner < parallelism));
            if parallelism <= 128 {
                assert!((0..parallelism).all(|replica| owners.contains(&replica)));
            }
        }
    }

    #[test]
    fn within_a_shard_the_table_bits_still_vary() {
        let mut low = [false; 128];
        let mut high = [false; 128];
        let shard_0 = (0..1_000_000u64)
            .map(|n| KeyHash::of(&n))
            .filter(|h| h.shard(128).0 == 0);
        for hash in shard_0 {
            low[(hash.0 & 127) as usize] = true;
            high[(hash.0 >> 57) as usize] = true;
        }
        assert!(low.iter().all(|&seen| seen) && high.iter().all(|&seen| seen));
    }
}
