//! What operators look at and take out: topics, messages at rest, one message of a key.
//! Rare, so it may read whole topics; it runs off the async threads and holds no lock while it reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use host_core::id::TopicName;
use host_core::unit::{Ack, Offset};

use super::delayed;
use super::row::Kind;
use super::shared::{LOAD_ROWS, Shared};
use super::stored::{Place, Stored};
use super::topic::{ClaimSearch, Row, Topic};
use crate::{Browsed, ConsumerState, Delivery, Error, TopicState};

/// A claim is taken up anew when the message moved while the tables were read; so often only if many claim at once.
const CLAIM_TRIES_MAX: usize = 8;

impl Shared {
    pub(super) fn topics(&self) -> Result<Vec<TopicState>, Error> {
        self.registry.all().iter().map(|topic| self.topic_state(topic)).collect()
    }

    fn topic_state(&self, topic: &Topic) -> Result<TopicState, Error> {
        let oldest = self.look(topic, 0, 1)?;
        let state = topic.state.lock();
        let consumers = state.groups.iter().filter(|group| !group.name.is_empty());
        let consumers = consumers.map(|group| ConsumerState {
            group: group.name.clone(),
            in_flight_count: group.window.consumer_out_count() as u64,
            lag: match topic.kind {
                Kind::Queue => state.count,
                Kind::Log => group.lag(state.first, state.next),
            },
        });
        Ok(TopicState {
            topic: topic.name.clone(),
            message_count: state.count,
            delayed_count: state.delayed_count,
            consumers: consumers.collect(),
            oldest_at: oldest.first().map(|(_, stored)| stored.published_at),
        })
    }

    pub(super) fn browse(&self, topic: &TopicName, from: Offset, limit: usize) -> Result<Vec<Browsed>, Error> {
        let Some(topic) = self.registry.find(topic) else { return Ok(Vec::new()) };
        let rows = self.look(&topic, from.0, limit)?.into_iter().map(|(offset, stored)| Browsed {
            offset: Offset(offset),
            published_at: stored.published_at,
            message: stored.message.clone(),
        });
        Ok(rows.collect())
    }

    /// Messages that are here from an offset on, written or not, at most `limit`.
    fn look(&self, topic: &Topic, from: u64, limit: usize) -> Result<Vec<Row>, Error> {
        // Memory first: what leaves it meanwhile is in the tables by then.
        let view = topic.state.lock().view(topic.kind, from);
        let mut rows: BTreeMap<u64, Arc<Stored>> = view.in_memory.into_iter().collect();
        let mut next = view.from;
        let mut found_count = 0;
        while found_count < limit && next < view.to {
            let (page, upto) = self.read_messages(topic, next, view.to, LOAD_ROWS.min(limit))?;
            for (offset, stored) in page.into_iter().filter(|(offset, _)| !view.gone.contains(offset)) {
                rows.entry(offset).or_insert(stored);
                found_count += 1;
            }
            next = upto;
        }
        Ok(rows.into_iter().take(limit).collect())
    }

    pub(super) fn claim(&self, topic: &TopicName, key: &str) -> Result<Option<Delivery>, Error> {
        let Some(topic) = self.registry.find(topic).filter(|topic| topic.kind == Kind::Queue) else {
            return Ok(None);
        };
        for _ in 0..CLAIM_TRIES_MAX {
            let search = {
                let mut state = topic.state.lock();
                state.search(key, self.written())
            };
            match search {
                ClaimSearch::Taken { offset, slot } => {
                    return Ok(Some(delivery(&topic, offset, &slot.stored, slot.redelivered)));
                }
                ClaimSearch::Out => return Ok(None),
                ClaimSearch::Scan { from, to, fallback, scan } => {
                    let found = self.find_message(&topic, from, to, key);
                    let mut state = topic.state.lock();
                    let found = found.map(|found| found.or(fallback));
                    let claimed = match &found {
                        Ok(Some((offset, stored))) => state.claim(*offset, stored),
                        Ok(None) | Err(_) => None,
                    };
                    state.end_scan(scan, self.written());
                    drop(state);
                    match (found?, claimed) {
                        (Some((offset, stored)), Some(redelivered)) => {
                            return Ok(Some(delivery(&topic, offset, &stored, redelivered)));
                        }
                        // It moved while the tables were read.
                        (Some(_), None) => {}
                        (None, _) => return self.claim_delayed(&topic, key),
                    }
                }
                ClaimSearch::Absent => return self.claim_delayed(&topic, key),
            }
        }
        Ok(None)
    }

    /// The first message of a key in the tables that is at rest.
    fn find_message(&self, topic: &Topic, from: u64, to: u64, key: &str) -> Result<Option<Row>, Error> {
        let mut next = from;
        while next < to {
            let (rows, upto) = self.read_messages(topic, next, to, LOAD_ROWS)?;
            let state = topic.state.lock();
            let wanted = |(offset, stored): &Row| &*stored.message.key == key && state.is_at_rest(*offset);
            if let Some(found) = rows.into_iter().find(wanted) {
                return Ok(Some(found));
            }
            drop(state);
            next = upto;
        }
        Ok(None)
    }

    fn claim_delayed(&self, topic: &Topic, key: &str) -> Result<Option<Delivery>, Error> {
        let stored = match self.delayed.search(topic.id, key, self.written()) {
            delayed::Search::Found(stored) => Some(stored),
            delayed::Search::Absent => None,
            delayed::Search::Scan { from, fallback, scan } => {
                let found = self.find_delayed(topic, from, key);
                self.delayed.end_scan(scan, self.written());
                match (found?, fallback) {
                    (Some(stored), _) => Some(stored),
                    (None, Some(stored)) => self.claim_found(stored),
                    (None, None) => None,
                }
            }
        };
        let Some(stored) = stored else { return Ok(None) };
        let offset = topic.state.lock().hold(&stored);
        match (offset, stored.place) {
            (Some(offset), _) => Ok(Some(delivery(topic, offset, &stored, false))),
            // A message of this key came meanwhile: the delayed one stays where it was.
            (None, Place::Delayed(at)) => {
                self.delayed.put_back(at, stored, self.written(), &self.options);
                Ok(None)
            }
            (None, Place::Ready { .. }) => Ok(None),
        }
    }

    /// The first delayed message of a key in the tables, claimed.
    fn find_delayed(
        &self,
        topic: &Topic,
        from: super::row::DelayedKey,
        key: &str,
    ) -> Result<Option<Arc<Stored>>, Error> {
        let mut next = Some(from);
        while let Some(from) = next {
            let (rows, upto) = self.read_delayed(from)?;
            let wanted = rows
                .into_iter()
                .map(|(_, stored)| stored)
                .filter(|stored| stored.message.topic == topic.name && &*stored.message.key == key);
            if let Some(claimed) = wanted.into_iter().find_map(|stored| self.claim_found(stored)) {
                return Ok(Some(claimed));
            }
            next = upto;
        }
        Ok(None)
    }

    fn claim_found(&self, stored: Arc<Stored>) -> Option<Arc<Stored>> {
        match stored.place {
            Place::Delayed(key) => self.delayed.claim(key, stored),
            Place::Ready { .. } => None,
        }
    }
}

fn delivery(topic: &Topic, offset: u64, stored: &Stored, redelivered: bool) -> Delivery {
    let ack = Ack { topic: topic.name.clone(), partition: 0, offset: Offset(offset) };
    Delivery { message: stored.message.clone(), ack, redelivered }
}
