//! `saga:step/events`: what the call wants published and signalled. Collected here, sent by the commit of the call.

use host_core::id::{TopicName, WaitKey};
use host_core::json::Json;

use crate::capabilities::bindings::saga::step::events::{Error, Host};
use crate::limits;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn emit(&mut self, topic: String, body: String) -> Result<(), Error> {
        let topic = TopicName::try_new(&topic).map_err(|error| Error::TopicRefused(error.to_string()))?;
        if !self.terms.manifest.event_topics.contains(&topic) {
            let cure = format!("topic {topic} is not in the manifest: add it to [events] topics");
            return Err(Error::TopicRefused(cure));
        }
        // An emitted body is bounded as the answer's is: it becomes a message too.
        let bytes_max = self.terms.manifest.limits.output_bytes_max;
        if body.len() > bytes_max {
            return Err(Error::Limit(format!("body has {} bytes, more than the {bytes_max} allowed", body.len())));
        }
        let body = Json::try_from_string(body).map_err(|(error, _)| Error::Limit(format!("body is {error}")))?;
        self.call.count_event(body.len())?;
        self.call.effects.emits.push((topic, body));
        Ok(())
    }

    fn signal(&mut self, key: String) -> Result<(), Error> {
        let key = WaitKey::try_new(&key).map_err(|error| Error::Limit(error.to_string()))?;
        self.call.count_event(key.as_str().len())?;
        self.call.effects.signals.push(key);
        Ok(())
    }
}

impl crate::sandbox::CallState {
    fn count_event(&mut self, bytes: usize) -> Result<(), Error> {
        let count = self.effects.emits.len() + self.effects.signals.len();
        if count >= limits::EVENT_COUNT_MAX {
            return Err(Error::Limit(format!("a call may emit and signal {} times", limits::EVENT_COUNT_MAX)));
        }
        if self.event_bytes + bytes > limits::EVENT_BYTES_MAX {
            return Err(Error::Limit(format!("a call may emit {} bytes in all", limits::EVENT_BYTES_MAX)));
        }
        self.event_bytes += bytes;
        Ok(())
    }
}
