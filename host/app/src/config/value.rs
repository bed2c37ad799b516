//! The kinds of value a key can have: how each is read from a text and written back. A TOML integer is read by its
//! text, so that the file and the environment accept the same forms.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use host_broker::drivers::kafka::KafkaOptions;
use host_core::time::{format_span, parse_span};

/// What is wrong with a value, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub problem: String,
    pub cure: String,
}

/// A value of a key.
pub trait Value: Sized {
    fn read(text: &str) -> Result<Self, Wrong>;

    /// As `saga.toml` would say it.
    fn write(&self) -> String;
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A count of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Size {
    /// For buffers: nothing larger than memory can be asked for.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl Value for $name {
            fn read(text: &str) -> Result<Self, Wrong> {
                match text {
                    $($word => Ok($name::$variant),)+
                    _ => Err(Wrong {
                        problem: format!("{text:?} is not one of its values"),
                        cure: format!("write {}", [$(concat!("\"", $word, "\"")),+].join(" or ")),
                    }),
                }
            }

            fn write(&self) -> String {
                match self {
                    $($name::$variant => concat!("\"", $word, "\"").to_owned(),)+
                }
            }
        }
    };
}

choice! {
    /// Who carries the messages.
    BrokerKind {
        /// Inside this process, in the same database as the store.
        Embedded = "embedded",
        /// An Apache Kafka cluster.
        Kafka = "kafka",
    }
}

choice! {
    /// How many hosts work with one set of topics.
    HostCount {
        /// One: a second is refused.
        One = "one",
        /// Any number; what a step keeps in key-values then has no place that all of them see.
        Several = "several",
    }
}

choice! {
    /// Who keeps what must survive.
    StoreKind {
        /// A database in the data folder.
        Embedded = "embedded",
        /// PostgreSQL, for what hosts share: the key-values of the steps. The rest is in the broker, and copied to the
        /// data folder.
        Postgres = "postgres",
        /// Memory: everything is gone when the host ends. For trials.
        Memory = "memory",
    }
}

choice! {
    /// How a log line looks.
    LogFormat {
        Text = "text",
        Json = "json",
    }
}

choice! {
    /// The least important line that is written.
    LogLevel {
        Error = "error",
        Warn = "warn",
        Info = "info",
        Debug = "debug",
        Trace = "trace",
    }
}

impl Value for String {
    fn read(text: &str) -> Result<Self, Wrong> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            let problem = format!("{text:?} is empty or holds a control character");
            return Err(Wrong { problem, cure: "write a printable text".to_owned() });
        }
        Ok(text.to_owned())
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Value for Option<Secret> {
    fn read(text: &str) -> Result<Self, Wrong> {
        const CHARACTERS_MIN: usize = 16;
        if text.chars().count() < CHARACTERS_MIN || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Wrong {
                problem: "it is shorter than 16 characters or holds white space".to_owned(),
                cure: "make one with `openssl rand -hex 24`".to_owned(),
            });
        }
        Ok(Some(Secret(text.to_owned())))
    }

    fn write(&self) -> String {
        if self.is_some() { "(set)".to_owned() } else { "(none)".to_owned() }
    }
}

/// A text that may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(pub String);

impl Value for Text {
    fn read(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() { Ok(Text::default()) } else { String::read(text).map(Text) }
    }

    fn write(&self) -> String {
        quoted(&self.0)
    }
}

/// Settings that are handed on to the broker's client as they are. In the file a table, in the environment
/// `key=value` separated by semicolons.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ClientSettings(pub BTreeMap<String, String>);

/// What a setting's name has if its value is never to be printed.
const SECRET_WORDS: [&str; 4] = ["password", "secret", "token", "ssl.key"];

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write())
    }
}

impl ClientSettings {
    /// Add one setting.
    pub fn add(&mut self, key: &str, value: &str) -> Result<(), Wrong> {
        if let Some(reason) = KafkaOptions::refused(key) {
            let problem = format!("{key} cannot be set: {reason}");
            return Err(Wrong { problem, cure: "leave it out".to_owned() });
        }
        self.0.insert(key.to_owned(), value.to_owned());
        Ok(())
    }
}

impl Value for ClientSettings {
    fn read(text: &str) -> Result<Self, Wrong> {
        let mut settings = Self::default();
        for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            // What stands there may be the rest of a secret with a semicolon in it.
            let (key, value) = pair.split_once('=').ok_or_else(|| Wrong {
                problem: "a part of it is no setting".to_owned(),
                cure: "write key=value with semicolons between settings; a value with a semicolon goes into the file"
                    .to_owned(),
            })?;
            settings.add(key.trim(), value.trim())?;
        }
        Ok(settings)
    }

    fn write(&self) -> String {
        let is_secret = |key: &str| SECRET_WORDS.iter().any(|word| key.contains(word));
        let shown = self.0.iter().map(|(key, value)| match is_secret(key) {
            true => format!("{key} = (set)"),
            false => format!("{key} = {}", quoted(value)),
        });
        format!("{{ {} }}", shown.collect::<Vec<_>>().join(", ")).replace("{  }", "{}")
    }
}

impl Value for bool {
    fn read(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| Wrong {
            problem: format!("{text:?} is neither true nor false"),
            cure: "write true or false".to_owned(),
        })
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    fn read(text: &str) -> Result<Self, Wrong> {
        String::read(text).map(PathBuf::from)
    }

    fn write(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Value for Option<PathBuf> {
    fn read(text: &str) -> Result<Self, Wrong> {
        PathBuf::read(text).map(Some)
    }

    fn write(&self) -> String {
        self.as_ref().map_or_else(|| "(none)".to_owned(), PathBuf::write)
    }
}

impl Value for SocketAddr {
    fn read(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| Wrong {
            problem: format!("{text:?} is not an address with a port"),
            cure: "write it like \"127.0.0.1:7070\" or \"[::1]:7070\"".to_owned(),
        })
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Value for Duration {
    fn read(text: &str) -> Result<Self, Wrong> {
        parse_span(text).map_err(|_| Wrong {
            problem: format!("{text:?} is not a duration"),
            cure: "write it like \"250ms\", \"5s\" or \"2h\"".to_owned(),
        })
    }

    fn write(&self) -> String {
        quoted(&format_span(*self))
    }
}

impl Value for Size {
    fn read(text: &str) -> Result<Self, Wrong> {
        let refuse = || Wrong {
            problem: format!("{text:?} is not a size"),
            cure: "write it like \"64KiB\", \"1MiB\" or as a number of bytes".to_owned(),
        };
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = text[..digits].parse().map_err(|_| refuse())?;
        let unit: u64 = match text[digits..].trim() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            _ => return Err(refuse()),
        };
        number.checked_mul(unit).map(Size).ok_or_else(refuse)
    }

    fn write(&self) -> String {
        let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let whole = units.into_iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        match whole {
            Some((unit, name)) => quoted(&format!("{}{name}", self.0 / unit)),
            None => self.0.to_string(),
        }
    }
}

macro_rules! whole_number {
    ($type:ty) => {
        impl Value for $type {
            fn read(text: &str) -> Result<Self, Wrong> {
                text.parse().map_err(|_| Wrong {
                    problem: format!("{text:?} is not a whole number"),
                    cure: "write it like 1024".to_owned(),
                })
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }
    };
}

whole_number!(usize);
whole_number!(u64);
whole_number!(u16);

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
