//! `wasi:keyvalue/store`: reads go to the store, once for each key, so that a call sees one state; writes are collected
//! and answer the call's own reads. What was read and written leaves with the report.
//!
//! Nothing stands behind a guest's bucket handle but a number: the place of the bucket among those that the manifest
//! grants. So a handle that a reused instance kept from an earlier call still means the same bucket.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use host_core::id::BucketName;
use wasmtime::component::Resource;

use crate::KeyValues;
use crate::capabilities::bindings::wasi::keyvalue::store::{Bucket, Error, Host, HostBucket, KeyResponse};
use crate::limits;
use crate::sandbox::Sandbox;

/// What one call has seen and done in its buckets.
#[derive(Default)]
pub(crate) struct KeyValueState {
    cells: BTreeMap<(u32, Arc<str>), Cell>,
    /// Every written cell in the order of its first write.
    written: Vec<(u32, Arc<str>)>,
    listed: Vec<u32>,
    read_count: usize,
    read_bytes: usize,
    write_bytes: usize,
}

/// What the call knows of one key.
struct Cell {
    value: Option<Bytes>,
    /// The store was asked for it: another call's write to it must refuse this one.
    read: bool,
    written: bool,
}

impl Host for Sandbox {
    fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Error> {
        let place = self.terms.buckets.iter().position(|bucket| bucket.identifier == identifier);
        let number = place.and_then(|place| u32::try_from(place).ok()).ok_or(Error::NoSuchStore)?;
        Ok(Resource::new_own(number))
    }
}

impl HostBucket for Sandbox {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Error> {
        self.read(bucket.rep(), key).await.map(|value| value.map(Vec::from))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, Error> {
        self.read(bucket.rep(), key).await.map(|value| value.is_some())
    }

    fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), Error> {
        if value.len() > limits::VALUE_BYTES_MAX {
            let bytes_max = limits::VALUE_BYTES_MAX;
            return Err(Error::Other(format!("value of key {key:?} has more than {bytes_max} bytes")));
        }
        self.write(bucket.rep(), &key, Some(Bytes::from(value)))
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), Error> {
        self.write(bucket.rep(), &key, None)
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<String>) -> Result<KeyResponse, Error> {
        let number = bucket.rep();
        let name = self.bucket(number)?.clone();
        let source = self.source()?;
        let stored = source.keys(&name, cursor.as_deref(), limits::KEYS_PAGE).await.map_err(Error::Other)?;
        let state = &mut self.call.key_values;
        if !state.listed.contains(&number) {
            state.listed.push(number);
        }
        Ok(state.merge(number, cursor, stored))
    }

    fn drop(&mut self, _bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl Sandbox {
    fn bucket(&self, number: u32) -> Result<&BucketName, Error> {
        let place = usize::try_from(number).ok();
        place.and_then(|place| self.terms.buckets.get(place)).map(|bucket| &bucket.name).ok_or(Error::NoSuchStore)
    }

    fn source(&self) -> Result<Arc<dyn KeyValues>, Error> {
        let none = || Error::Other("key-values can be used inside a call only".to_owned());
        self.call.source.clone().ok_or_else(none)
    }

    async fn read(&mut self, number: u32, key: String) -> Result<Option<Bytes>, Error> {
        check_key(&key)?;
        let name = self.bucket(number)?;
        let at = (number, Arc::from(key));
        if let Some(cell) = self.call.key_values.cells.get(&at) {
            return Ok(cell.value.clone());
        }
        if self.call.key_values.read_count >= limits::READ_COUNT_MAX {
            return Err(Error::Other(format!("a call may read {} keys", limits::READ_COUNT_MAX)));
        }
        let value = self.source()?.get(name, &at.1).await.map_err(Error::Other)?;
        let state = &mut self.call.key_values;
        state.read_bytes += value.as_ref().map_or(0, Bytes::len);
        if state.read_bytes > limits::READ_BYTES_MAX {
            return Err(Error::Other(format!("a call may read {} bytes in all", limits::READ_BYTES_MAX)));
        }
        state.read_count += 1;
        state.cells.insert(at, Cell { value: value.clone(), read: true, written: false });
        Ok(value)
    }

    fn write(&mut self, number: u32, key: &str, value: Option<Bytes>) -> Result<(), Error> {
        check_key(key)?;
        self.bucket(number)?;
        self.call.key_values.write((number, Arc::from(key)), value)
    }
}

impl KeyValueState {
    fn write(&mut self, at: (u32, Arc<str>), value: Option<Bytes>) -> Result<(), Error> {
        let cost = |value: Option<&Bytes>| at.1.len() + value.map_or(0, Bytes::len);
        let known = self.cells.get(&at);
        let replaced = known.filter(|cell| cell.written).map(|cell| cost(cell.value.as_ref()));
        if replaced.is_none() && self.written.len() >= limits::WRITE_COUNT_MAX {
            return Err(Error::Other(format!("a call may write {} keys", limits::WRITE_COUNT_MAX)));
        }
        let bytes = self.write_bytes - replaced.unwrap_or(0) + cost(value.as_ref());
        if bytes > limits::WRITE_BYTES_MAX {
            return Err(Error::Other(format!("a call may write {} bytes in all", limits::WRITE_BYTES_MAX)));
        }
        self.write_bytes = bytes;
        if replaced.is_none() {
            self.written.push(at.clone());
        }
        let read = known.is_some_and(|cell| cell.read);
        self.cells.insert(at, Cell { value, read, written: true });
        Ok(())
    }

    /// One page: what the store has, with the call's own writes put in and its deletes taken out. A full page ends at
    /// its last stored key; own keys behind it come with a later page.
    fn merge(&self, number: u32, after: Option<String>, stored: Vec<Arc<str>>) -> KeyResponse {
        let cursor = stored.last().filter(|_| stored.len() >= limits::KEYS_PAGE).map(|key| key.to_string());
        let mut keys: Vec<String> = Vec::with_capacity(stored.len());
        let own = |key: &Arc<str>| self.cells.get(&(number, key.clone())).filter(|cell| cell.written);
        keys.extend(stored.iter().filter(|key| own(key).is_none()).map(|key| key.to_string()));
        let from = (number, Arc::from(after.clone().unwrap_or_default()));
        for ((at, key), cell) in self.cells.range(from..) {
            let behind = cursor.as_deref().is_some_and(|cursor| **key > *cursor);
            if *at != number || behind {
                break;
            }
            let before = after.as_deref().is_some_and(|after| **key <= *after);
            if !before && cell.written && cell.value.is_some() {
                keys.push(key.to_string());
            }
        }
        keys.sort_unstable();
        KeyResponse { keys, cursor }
    }

    /// Hand over what was read, listed and written, and be empty again.
    pub(crate) fn take(&mut self, buckets: &[crate::sandbox::GrantedBucket], effects: &mut crate::Effects) {
        if self.cells.is_empty() && self.listed.is_empty() {
            return;
        }
        let mut state = std::mem::take(self);
        // A number is only in here after `bucket` has found its name.
        let name = |number: u32| buckets[number as usize].name.clone();
        for ((number, key), cell) in &state.cells {
            if cell.read {
                effects.reads.push((name(*number), key.clone()));
            }
        }
        effects.listed.extend(state.listed.iter().map(|number| name(*number)));
        for at in state.written {
            if let Some(cell) = state.cells.remove(&at) {
                effects.writes.push((name(at.0), at.1, cell.value));
            }
        }
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() {
        return Err(Error::Other("a key must not be empty".to_owned()));
    }
    if key.len() > limits::KEY_BYTES_MAX {
        return Err(Error::Other(format!("a key may have {} bytes", limits::KEY_BYTES_MAX)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn key(text: &str) -> (u32, Arc<str>) {
        (0, Arc::from(text))
    }

    #[test]
    fn a_page_shows_own_writes_and_hides_own_deletes() {
        let mut state = KeyValueState::default();
        state.write(key("b"), Some(Bytes::from_static(b"1"))).unwrap();
        state.write(key("c"), None).unwrap();
        state.write((1, Arc::from("other-bucket")), Some(Bytes::new())).unwrap();
        let page = state.merge(0, None, vec!["a".into(), "c".into(), "d".into()]);
        assert_eq!(page.keys, ["a", "b", "d"]);
        assert_eq!(page.cursor, None);
        assert_eq!(state.merge(0, Some("b".to_owned()), vec!["d".into()]).keys, ["d"]);
    }

    #[test]
    fn pages_hold_every_key_once_whatever_was_written_between_them() {
        let stored: Vec<Arc<str>> = (0..600).map(|n| Arc::from(format!("k{n:04}"))).collect();
        let mut state = KeyValueState::default();
        for text in ["a-first", "k0100-own", "k0255-own", "z-last"] {
            state.write(key(text), Some(Bytes::new())).unwrap();
        }
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let from = cursor.clone().unwrap_or_default();
            let rest = stored.iter().filter(|key| ***key > *from).take(limits::KEYS_PAGE);
            let page = state.merge(0, cursor, rest.cloned().collect());
            all.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(all.len(), 604);
        assert!(all.is_sorted());
    }

    #[test]
    fn a_key_written_twice_leaves_once_with_its_last_value_and_frees_its_bytes() {
        let mut state = KeyValueState::default();
        let large = Bytes::from(vec![0; limits::VALUE_BYTES_MAX]);
        for _ in 0..10 {
            state.write(key("k"), Some(large.clone())).unwrap();
        }
        state.write(key("k"), Some(Bytes::from_static(b"last"))).unwrap();
        for n in 0..3 {
            state.write(key(&format!("big-{n}")), Some(large.clone())).unwrap();
        }
        assert!(state.write(key("big-4"), Some(large)).is_err());
        let address = BucketName::try_new("d.s.one").unwrap();
        let buckets = [crate::sandbox::GrantedBucket { identifier: String::new(), name: address.clone() }];
        let mut effects = crate::Effects::default();
        state.take(&buckets, &mut effects);
        assert_eq!(effects.writes.len(), 4);
        assert_eq!(effects.writes[0], (address, Arc::from("k"), Some(Bytes::from_static(b"last"))));
        assert!(effects.reads.is_empty(), "own writes are not read from the store");
    }

    #[test]
    fn a_call_cannot_write_without_end() {
        let mut state = KeyValueState::default();
        for n in 0..limits::WRITE_COUNT_MAX {
            state.write(key(&n.to_string()), None).unwrap();
        }
        assert!(matches!(state.write(key("one-more"), None), Err(Error::Other(_))));
        assert!(state.write(key("0"), Some(Bytes::new())).is_ok(), "a key it has written may be written again");
    }
}
