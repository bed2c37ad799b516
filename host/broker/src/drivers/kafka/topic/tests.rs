//! Partitions that come, go and come back: whoever has a message of one twice commits it once.

use host_core::time::Timestamp;
use host_core::unit::{Headers, Message, Payload};

use super::*;

const GROUP: &str = "a.b.c";

struct Rig {
    topic: Topic,
    right: Right,
    wakes: Wakes,
}

impl Rig {
    fn new() -> Self {
        let topic = Topic::new(TopicName::try_new("a.b.c.in").expect("is a topic name"), 2);
        let bounds = Bounds { count_max: 100, bytes_max: 1 << 20 };
        let right = topic.state.lock().subscribe(GROUP, 10, &Arc::default(), bounds);
        Self { topic, right, wakes: Wakes::new() }
    }

    fn begin(&self, partition: i32, position: u64) {
        let ledger = Ledger::resume(position, "").expect("no text is readable");
        self.topic.state.lock().begin(0, partition, ledger, false);
    }

    /// The partition has nothing left to read: what this host publishes is the next.
    fn at_end(&self, partition: i32) {
        let mut state = self.topic.state.lock();
        let part = state.part(0, partition).expect("it was given");
        (part.was_at_end, part.is_current) = (true, true);
    }

    fn message(&self, key: &str) -> Message {
        let payload = Payload::Encoded(bytes::Bytes::from_static(b"{}"));
        Message { topic: self.topic.name.clone(), key: Arc::from(key), headers: Headers::default(), payload }
    }

    fn read(&mut self, partition: i32, offset: u64, key: &str) {
        let held = Held::read(self.message(key), Timestamp::MIN, partition, offset);
        let mut state = self.topic.state.lock();
        assert!(state.read(0, partition, offset).is_some_and(|read| read != Read::Done));
        state.admit(0, held, false, &mut self.wakes);
    }

    fn publish(&mut self, partition: i32, key: &str) -> (Arc<Held>, SmallVec<[Tenure; 1]>) {
        let held = Arc::new(Held::own(self.message(key), Timestamp::MIN, partition));
        let taken = self.topic.state.lock().publish(&held, false, &mut self.wakes);
        (held, taken)
    }

    fn take(&self) -> Option<Ack> {
        match self.topic.state.lock().turn(&self.right) {
            Turn::Deliver { number, slot } => Some(self.topic.ack(0, number, &slot.stored)),
            Turn::Wait | Turn::Over => None,
        }
    }

    fn lose(&self, partition: i32) {
        self.topic.state.lock().seats[0].lose(partition);
    }

    fn holds(&self, ack: &Ack) -> bool {
        self.topic.state.lock().holds(ack)
    }

    fn settle(&mut self, ack: &Ack) -> Option<Tenure> {
        self.topic.state.lock().settle(ack, &mut self.wakes).map(|(tenure, _)| tenure)
    }
}

#[test]
fn a_delivery_whose_partition_went_is_nobodys() {
    let mut rig = Rig::new();
    rig.begin(0, 5);
    rig.begin(1, 0);
    rig.read(0, 5, "gone");
    rig.read(1, 0, "stays");
    let (gone, stays) = (rig.take().expect("it is at hand"), rig.take().expect("it is at hand"));
    rig.lose(0);
    assert_eq!([rig.holds(&gone), rig.holds(&stays)], [false, true]);
    assert_eq!(rig.settle(&gone), None);
    assert!(rig.settle(&stays).is_some());
}

#[test]
fn of_two_deliveries_of_one_message_one_is_committed() {
    let mut rig = Rig::new();
    rig.begin(0, 5);
    rig.read(0, 5, "one");
    let first = rig.take().expect("it is at hand");
    rig.lose(0);
    rig.begin(0, 5);
    assert!(!rig.holds(&first));
    rig.read(0, 5, "one");
    assert!(!rig.holds(&first), "it is at rest, so nobody has it in his hands");
    let second = rig.take().expect("it came again");
    // They name the same place: whoever is done first has done it.
    assert!(rig.settle(&first).is_some());
    assert!(!rig.holds(&second));
    assert_eq!(rig.settle(&second), None);
    assert_eq!(rig.take(), None);
}

#[test]
fn the_next_of_its_key_goes_out_when_its_partition_came_back() {
    let mut rig = Rig::new();
    rig.begin(0, 5);
    rig.read(0, 5, "key");
    rig.read(0, 6, "key");
    rig.take().expect("the first is at hand");
    assert_eq!(rig.take(), None, "the second waits behind the first of its key");
    rig.lose(0);
    rig.begin(0, 6);
    rig.read(0, 6, "key");
    assert!(rig.take().is_some(), "another host has done the first");
}

#[test]
fn a_message_of_our_own_is_not_ours_any_more_when_its_partition_came_back() {
    let mut rig = Rig::new();
    rig.begin(0, 5);
    rig.at_end(0);
    let (held, taken) = rig.publish(0, "own");
    let [tenure] = taken[..] else { panic!("one seat takes it") };
    let ack = rig.take().expect("it is at hand");
    rig.lose(0);
    rig.begin(0, 5);
    assert!(!rig.holds(&ack));
    assert_eq!(rig.settle(&ack), None);
    let mut state = rig.topic.state.lock();
    assert!(state.part_of(tenure, held.partition).is_none(), "whoever has the partition now reads it");
    assert_ne!(state.tenure(0, 0), Some(tenure));
}

#[test]
fn what_was_done_before_its_partition_went_is_known_by_its_tenure() {
    let mut rig = Rig::new();
    rig.begin(0, 5);
    rig.read(0, 5, "one");
    let ack = rig.take().expect("it is at hand");
    let tenure = rig.settle(&ack).expect("it is out");
    assert!(rig.topic.state.lock().part_of(tenure, 0).is_some());
    rig.lose(0);
    rig.begin(0, 5);
    assert!(rig.topic.state.lock().part_of(tenure, 0).is_none());
    assert!(!rig.topic.state.lock().settles(tenure, 0));
}
