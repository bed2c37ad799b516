//! The door in a native build: every call goes to the world of the test that runs on this thread.
//! Outside of a test there is no host, and each capability says so instead of pretending.

use std::time::SystemTime;

use crate::log::Level;
use crate::testing::world;
use crate::{config, events, keyvalue, random};

const NO_HOST: &str = "there is no host here; run the step through saga_step::testing::TestHost";

pub(crate) fn log(level: Level, target: &str, message: &str) {
    // Without a test there is nobody to read it.
    world::with(|world| world.log(level, target, message)).unwrap_or(());
}

pub(crate) fn config_get(key: &str) -> Result<Option<String>, config::Error> {
    world::with(|world| world.config_get(key)).unwrap_or_else(|| Err(config::Error::Host(NO_HOST.into())))
}

pub(crate) fn config_get_all() -> Result<Vec<(String, String)>, config::Error> {
    world::with(|world| world.config_get_all()).unwrap_or_else(|| Err(config::Error::Host(NO_HOST.into())))
}

pub(crate) struct Bucket {
    name: String,
}

impl Bucket {
    pub(crate) fn open(name: &str) -> Result<Self, keyvalue::Error> {
        keyvalue(|world| world.bucket(name).map(|_| ()))?;
        Ok(Self { name: name.to_owned() })
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, keyvalue::Error> {
        keyvalue(|world| Ok(world.bucket(&self.name)?.get(key).cloned()))
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), keyvalue::Error> {
        keyvalue(|world| {
            world.bucket(&self.name)?.insert(key.to_owned(), value.to_owned());
            Ok(())
        })
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), keyvalue::Error> {
        keyvalue(|world| {
            world.bucket(&self.name)?.remove(key);
            Ok(())
        })
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, keyvalue::Error> {
        keyvalue(|world| Ok(world.bucket(&self.name)?.contains_key(key)))
    }

    pub(crate) fn keys_page(&self, cursor: Option<&str>) -> Result<(Vec<String>, Option<String>), keyvalue::Error> {
        keyvalue(|world| world.keys_page(&self.name, cursor))
    }
}

fn keyvalue<T>(work: impl FnOnce(&mut world::World) -> Result<T, keyvalue::Error>) -> Result<T, keyvalue::Error> {
    world::with(work).unwrap_or_else(|| Err(keyvalue::Error::Host(NO_HOST.into())))
}

pub(crate) fn emit(topic: &str, body: &str) -> Result<(), events::Error> {
    world::with(|world| world.emit(topic, body)).unwrap_or_else(|| Err(events::Error::Limit(NO_HOST.into())))
}

pub(crate) fn signal(key: &str) -> Result<(), events::Error> {
    world::with(|world| world.signal(key)).unwrap_or_else(|| Err(events::Error::Limit(NO_HOST.into())))
}

/// The test's own time, or the machine's.
pub(crate) fn now() -> SystemTime {
    world::with(|world| world.now).flatten().unwrap_or_else(SystemTime::now)
}

/// The test's own sequence, or the machine's chance.
pub(crate) fn random_u64() -> Result<u64, random::Error> {
    match world::with(|world| world.random_u64()) {
        Some(number) => Ok(number),
        None => getrandom::u64().map_err(|error| random::Error(error.to_string())),
    }
}
