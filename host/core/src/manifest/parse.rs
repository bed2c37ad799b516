//! The text form of a manifest. Every key is optional; every mistake is reported.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{CallLimits, CallsPerInstance, Grant, Manifest, Remote, Retry, Wait};
use crate::files::FileError;
use crate::files::reader::{Placed, Repeats, Table, read};
use crate::id::{BucketName, StepAddress, TopicName};
use crate::limits::{JOURNAL_TOPIC, WAIT_TIMEOUT_MAX};
use crate::retry::RetryPolicy;
use crate::unit::OnTimeout;

/// Entries of `grants`, those that do not exist included, so that each is reported by name.
const GRANT_COUNT_MAX: usize = 64;
/// Values under `[config]`, and bytes of one: a page of settings, not a place for data.
const CONFIG_COUNT_MAX: usize = 256;
const CONFIG_BYTES_MAX: usize = 16 << 10;
/// Buckets that one step shares.
const BUCKET_COUNT_MAX: usize = 64;
/// Topics that one step emits to.
const TOPIC_COUNT_MAX: usize = 256;
/// Calls at once: more only fills the memory of one host.
const CONCURRENCY: RangeInclusive<u64> = 1..=10_000;
/// Past a thousand attempts a failure does not pass by itself.
const ATTEMPTS: RangeInclusive<u64> = 1..=1000;
/// Between two attempts.
const BACK_OFF: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 3600);
const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=WAIT_TIMEOUT_MAX;
/// Memory of one call: a component needs a few hundred KiB, and 32-bit memory ends at 4 GiB.
const MEMORY_BYTES: RangeInclusive<u64> = (1 << 20)..=(4 << 30);
/// Time of one call: longer work belongs into a wait.
const CALL_TIME: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
/// Output of one call.
const OUTPUT_BYTES: RangeInclusive<u64> = 1024..=(64 << 20);
const CALLS_PER_INSTANCE: RangeInclusive<u64> = 1..=1_000_000;
/// A worker that is silent for so long is taken for dead: shorter, and a pause of its garbage collector costs a call;
/// longer, and a saga waits an hour for a machine that is gone.
const LEASE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
const LEASE_DEFAULT: Duration = Duration::from_secs(30);
/// A call that workers run, if nothing is said: they renew its lease as long as they are at it.
const REMOTE_TIME_DEFAULT: Duration = Duration::from_secs(600);
/// A pointer to a member of the body.
const POINTER_BYTES_MAX: usize = 256;

/// Read `<address>.toml`. `file` is the name that mistakes are reported under.
pub fn parse(address: StepAddress, file: &str, text: &str) -> Result<Manifest, Vec<FileError>> {
    let defaults = Manifest::of(address);
    read(file, text, |table| {
        let grants = table.list("grants", GRANT_COUNT_MAX, Repeats::Refused, "name grants that exist", grant);
        let ordering_key = table.parsed("ordering-key", "write a JSON pointer, like \"/account\"", pointer);
        let concurrency =
            table.whole("concurrency", CONCURRENCY).map_or(defaults.concurrency, |number| small(number.value));
        let calls_per_instance = table.whole_or(
            "calls-per-instance",
            CALLS_PER_INSTANCE,
            |count| CallsPerInstance::Count(small(count)),
            ("unlimited", CallsPerInstance::Unlimited),
        );
        let config = table.within("config", |table| table.texts(CONFIG_COUNT_MAX, CONFIG_BYTES_MAX));
        let shared_buckets = table.within("keyvalue", |table| shared_buckets(table, &defaults.address));
        let event_topics = table.within("events", event_topics);
        let retry = table.within("retry", |table| retry(table, defaults.retry));
        let wait = table.within("wait", |table| wait(table, defaults.wait));
        let has_remote = table.has("remote");
        let remote = table.within("remote", |table| remote(table, has_remote));
        if let Some(grants) = grants.as_ref().filter(|_| has_remote) {
            refuse_grants(table, grants);
        }
        let mut default_limits = defaults.limits;
        if has_remote {
            default_limits.time_max = REMOTE_TIME_DEFAULT;
        }
        let limits = table.within("limits", |table| limits(table, default_limits));
        Some(Manifest {
            address: defaults.address,
            grants: grants.map_or(defaults.grants, |grants| grants.value),
            config,
            shared_buckets,
            event_topics,
            retry,
            wait,
            limits,
            concurrency,
            ordering_key: ordering_key.map(|pointer| pointer.value),
            calls_per_instance: calls_per_instance.unwrap_or(defaults.calls_per_instance),
            remote,
        })
    })
}

/// For numbers whose bounds are far below.
fn small(number: u64) -> u32 {
    u32::try_from(number).expect("the bounds of the key are below 2^32")
}

fn grant(word: &str) -> Result<Grant, String> {
    if let Some(grant) = Grant::ALL.into_iter().find(|grant| grant.as_str() == word) {
        return Ok(grant);
    }
    if matches!(word, "logging" | "clocks" | "random") {
        return Err(format!("{word:?} needs no grant: every step has it"));
    }
    let known: Vec<_> = Grant::ALL.iter().map(|grant| format!("{:?}", grant.as_str())).collect();
    Err(format!("there is no grant {:?}; the grants are {}", crate::limits::cut(word, 40), known.join(", ")))
}

/// RFC 6901, to a member: the body as a whole orders nothing.
fn pointer(text: &str) -> Result<String, String> {
    let escapes_hold = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if text.starts_with('/') && escapes_hold && text.len() <= POINTER_BYTES_MAX {
        Ok(text.to_owned())
    } else {
        Err(format!("{:?} is no JSON pointer to a member of the body", crate::limits::cut(text, 80)))
    }
}

fn shared_buckets(table: &mut Table<'_>, address: &StepAddress) -> Vec<String> {
    let bucket = |name: &str| BucketName::try_new(&format!("{}/{name}", address.domain())).map(|_| name.to_owned());
    let cure = "write names of a-z, 0-9 and '-'; the steps of this domain that name the same one share it";
    table.list("shared", BUCKET_COUNT_MAX, Repeats::Refused, cure, bucket).map_or_else(Vec::new, |list| list.value)
}

fn event_topics(table: &mut Table<'_>) -> Vec<TopicName> {
    let topic = |name: &str| match TopicName::try_new(name) {
        Ok(topic) if topic.as_str() != JOURNAL_TOPIC => Ok(topic),
        Ok(topic) => Err(format!("{topic} is the host's own")),
        Err(error) => Err(error.to_string()),
    };
    let cure = "write names of topics that `emit` may publish to";
    table.list("topics", TOPIC_COUNT_MAX, Repeats::Refused, cure, topic).map_or_else(Vec::new, |list| list.value)
}

/// A worker elsewhere can be handed a call and answer it; it cannot ask the host anything in between.
fn refuse_grants(table: &Table<'_>, grants: &Placed<Vec<Grant>>) {
    for grant in grants.value.iter().filter(|grant| **grant != Grant::Events) {
        let problem = format!("a step that runs elsewhere ([remote]) cannot be granted {:?}", grant.as_str());
        let cure = match grant {
            Grant::KeyValue => "keep the state with the workers, under the idempotency key, and take the grant out",
            Grant::Config | Grant::Events => "configure the workers where they run, and take the grant out",
        };
        table.refuse(grants, problem, cure);
    }
}

fn remote(table: &mut Table<'_>, is_there: bool) -> Option<Remote> {
    const CURE: &str = "write the SHA-256 of the workers' token, as `printf %s \"$TOKEN\" | sha256sum` prints it";
    if is_there {
        table.demand("token-sha256", CURE);
    }
    let token = table.parsed("token-sha256", CURE, sha256);
    let lease = table.span("lease", LEASE).map_or(LEASE_DEFAULT, |span| span.value);
    Some(Remote { token_sha256: token?.value, lease })
}

fn sha256(text: &str) -> Result<[u8; 32], &'static str> {
    let mut bytes = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err("a SHA-256 has 64 hexadecimal digits");
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).expect("hexadecimal digits are ASCII");
        *byte = u8::from_str_radix(pair, 16).expect("they were just looked at");
    }
    Ok(bytes)
}

/// What a retry table says itself.
struct Written {
    attempts: Option<u32>,
    initial: Option<Placed<Duration>>,
    max: Option<Placed<Duration>>,
}

impl Written {
    fn read(table: &mut Table<'_>) -> Self {
        let written = Self {
            attempts: table.whole("max-attempts", ATTEMPTS).map(|number| small(number.value)),
            initial: table.span("initial", BACK_OFF),
            max: table.span("max", BACK_OFF),
        };
        if let (Some(initial), Some(max)) = (&written.initial, &written.max)
            && initial.value > max.value
        {
            table.refuse(max, "it is shorter than initial", "write the longest wait between two attempts");
        }
        written
    }

    /// A wait that is written pulls the other bound along, so that one key alone is never a contradiction.
    fn over(&self, default: RetryPolicy) -> RetryPolicy {
        let initial = self.initial.as_ref().map(|placed| placed.value);
        let max = self.max.as_ref().map_or(default.max.max(initial.unwrap_or_default()), |placed| placed.value);
        RetryPolicy {
            attempt_count_max: self.attempts.unwrap_or(default.attempt_count_max),
            initial: initial.unwrap_or(default.initial.min(max)),
            max,
        }
    }
}

/// What is written for `handle` holds for `compensate` too, with twice the attempts, unless that has its own words.
fn retry(table: &mut Table<'_>, defaults: Retry) -> Retry {
    let compensate = table.within("compensate", Written::read);
    let fault = table.within("fault", Written::read);
    let handle = Written::read(table);
    let mut longer = handle.over(defaults.compensate);
    if let Some(attempts) = handle.attempts {
        longer.attempt_count_max = small(u64::from(attempts).saturating_mul(2).min(*ATTEMPTS.end()));
    }
    Retry {
        handle: handle.over(defaults.handle),
        compensate: compensate.over(longer),
        fault: fault.over(defaults.fault),
    }
}

fn wait(table: &mut Table<'_>, defaults: Wait) -> Wait {
    let words = [("reject", OnTimeout::Reject), ("error", OnTimeout::Error)];
    Wait {
        timeout: table.span("timeout", WAIT).map_or(defaults.timeout, |span| span.value),
        on_timeout: table.word("on-timeout", &words).unwrap_or(defaults.on_timeout),
    }
}

fn limits(table: &mut Table<'_>, defaults: CallLimits) -> CallLimits {
    let size = |placed: Option<Placed<u64>>, default: usize| {
        placed.map_or(default, |placed| usize::try_from(placed.value).unwrap_or(usize::MAX))
    };
    CallLimits {
        memory_bytes_max: size(table.bytes("memory", MEMORY_BYTES), defaults.memory_bytes_max),
        time_max: table.span("time", CALL_TIME).map_or(defaults.time_max, |span| span.value),
        output_bytes_max: size(table.bytes("output", OUTPUT_BYTES), defaults.output_bytes_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> StepAddress {
        StepAddress::try_new("race.payments.pay").expect("three words")
    }

    fn read_ok(text: &str) -> Manifest {
        parse(address(), "race.payments.pay.toml", text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    fn mistakes(text: &str) -> Vec<String> {
        let mistakes = parse(address(), "mistakes.toml", text).err().unwrap_or_default();
        mistakes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_empty_manifest_is_the_default_one() {
        assert_eq!(read_ok(""), Manifest::of(address()));
        assert_eq!(read_ok("[retry]\n[limits]\n[config]\n"), Manifest::of(address()));
    }

    #[test]
    fn every_key_is_read() {
        let text = r#"
            grants = ["config", "keyvalue", "events"]
            concurrency = 8
            ordering-key = "/customer-id"
            calls-per-instance = 100
            [config]
            opening-balance = "1000"
            "any key" = "π"
            [keyvalue]
            shared = ["customers"]
            [events]
            topics = ["customers.registered"]
            [retry]
            max-attempts = 3
            initial = "50ms"
            max = "1s"
            [retry.compensate]
            max-attempts = 40
            max = "1h"
            [retry.fault]
            max-attempts = 1
            [wait]
            timeout = "30s"
            on-timeout = "error"
            [limits]
            memory = "16MiB"
            time = "250ms"
            output = 65536
        "#;
        let second = Duration::from_secs(1);
        let initial = Duration::from_millis(50);
        let expected = Manifest {
            address: address(),
            grants: vec![Grant::Config, Grant::KeyValue, Grant::Events],
            config: vec![("opening-balance".into(), "1000".into()), ("any key".into(), "π".into())],
            shared_buckets: vec!["customers".into()],
            event_topics: vec![TopicName::try_new("customers.registered").expect("a topic")],
            retry: Retry {
                handle: RetryPolicy { attempt_count_max: 3, initial, max: second },
                compensate: RetryPolicy { attempt_count_max: 40, initial, max: second * 3600 },
                fault: RetryPolicy { attempt_count_max: 1, ..RetryPolicy::FAULT },
            },
            wait: Wait { timeout: second * 30, on_timeout: OnTimeout::Error },
            limits: CallLimits {
                memory_bytes_max: 16 << 20,
                time_max: Duration::from_millis(250),
                output_bytes_max: 65_536,
            },
            concurrency: 8,
            ordering_key: Some("/customer-id".into()),
            calls_per_instance: CallsPerInstance::Count(100),
            remote: None,
        };
        assert_eq!(read_ok(text), expected);
        assert_eq!(read_ok("calls-per-instance = \"unlimited\"").calls_per_instance, CallsPerInstance::Unlimited);
    }

    #[test]
    fn a_compensation_is_retried_twice_as_often_as_its_handle_unless_it_has_its_own_words() {
        let retry = read_ok("[retry]\nmax-attempts = 5\n").retry;
        assert_eq!((retry.handle.attempt_count_max, retry.compensate.attempt_count_max), (5, 10));
        assert_eq!(retry.compensate.max, RetryPolicy::COMPENSATE.max);
        assert_eq!(retry.fault, RetryPolicy::FAULT);
        let retry = read_ok("[retry]\nmax-attempts = 900\ninitial = \"1h\"\n").retry;
        assert_eq!(retry.compensate.attempt_count_max, 1000);
        assert_eq!((retry.handle.max, retry.compensate.max), (Duration::from_secs(3600), Duration::from_secs(3600)));
        let retry = read_ok("[retry.compensate]\nmax-attempts = 2\n").retry;
        assert_eq!((retry.handle, retry.compensate.attempt_count_max), (RetryPolicy::HANDLE, 2));
        let retry = read_ok("[retry]\nmax = \"20ms\"\n").retry;
        assert!(retry.handle.initial <= retry.handle.max && retry.compensate.initial <= retry.compensate.max);
    }

    #[test]
    fn all_mistakes_are_reported_with_line_field_and_cure() {
        let text = include_str!("../../../../tests/fixtures/manifest/mistakes.toml");
        let expected = include_str!("../../../../tests/fixtures/manifest/mistakes.txt");
        assert_eq!(mistakes(text), expected.lines().collect::<Vec<_>>());
    }

    #[test]
    fn a_step_that_runs_elsewhere_names_the_hash_of_its_token_and_is_granted_events_at_most() {
        let hash = "ab".repeat(32);
        let remote = read_ok(&format!("grants = [\"events\"]\n[remote]\ntoken-sha256 = \"{hash}\"\n"));
        assert_eq!(remote.remote, Some(Remote { token_sha256: [0xab; 32], lease: Duration::from_secs(30) }));
        assert_eq!(remote.limits.time_max, Duration::from_secs(600));
        let text = format!("[remote]\ntoken-sha256 = \"{hash}\"\nlease = \"5s\"\n[limits]\ntime = \"20s\"\n");
        let remote = read_ok(&text);
        assert_eq!(remote.remote.map(|remote| remote.lease), Some(Duration::from_secs(5)));
        assert_eq!(remote.limits.time_max, Duration::from_secs(20));
        for (text, told) in [
            ("[remote]\n".to_owned(), "token-sha256"),
            ("[remote]\ntoken-sha256 = \"secret\"\n".to_owned(), "64 hexadecimal digits"),
            (format!("[remote]\ntoken-sha256 = \"{hash}\"\nlease = \"10ms\"\n"), "lease"),
            (format!("grants = [\"keyvalue\"]\n[remote]\ntoken-sha256 = \"{hash}\"\n"), "idempotency key"),
            (format!("grants = [\"config\"]\n[remote]\ntoken-sha256 = \"{hash}\"\n"), "where they run"),
        ] {
            let mistakes = mistakes(&text);
            assert!(mistakes.iter().any(|mistake| mistake.contains(told)), "{text}: {mistakes:?}");
        }
    }

    #[test]
    fn pointers_are_checked() {
        for good in ["/a", "/a/b~1c~0", "/", "/0"] {
            assert!(pointer(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "/~", "/~2", &format!("/{}", "a".repeat(256))] {
            assert!(pointer(bad).is_err(), "{bad}");
        }
    }
}
