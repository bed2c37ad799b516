//! Which partition a key belongs to: Kafka's own rule for every client (murmur2), so that a foreign producer's messages
//! of a key lie where ours do.

/// The partition of a key in a topic with so many.
pub(super) fn partition(key: &str, partition_count: i32) -> i32 {
    of_bytes(key.as_bytes(), partition_count)
}

/// The same of a key that is no text.
pub(super) fn of_bytes(key: &[u8], partition_count: i32) -> i32 {
    let positive = i32::from_ne_bytes(murmur2(key).to_ne_bytes()) & i32::MAX;
    positive % partition_count.max(1)
}

/// Austin Appleby's MurmurHash2 with the seed that Kafka took.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(FACTOR);
        word ^= word >> 24;
        hash = hash.wrapping_mul(FACTOR) ^ word.wrapping_mul(FACTOR);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (index, &byte) in rest.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * index);
        }
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own test of its hash.
    #[test]
    fn keys_hash_as_in_every_kafka_client() {
        let known: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(i32::from_ne_bytes(murmur2(key.as_bytes()).to_ne_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn every_key_has_a_partition() {
        for count in [1, 2, 12, 100] {
            for key in ["", "a", "ü", "0190a1b2-c3d4-7e5f-8a6b-9c0d1e2f3a4b"] {
                assert!((0..count).contains(&partition(key, count)));
            }
        }
        assert_eq!(partition("x", 0), 0);
    }
}
