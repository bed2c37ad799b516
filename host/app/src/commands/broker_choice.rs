//! `--broker`: which broker an installation that a command writes works with.

use std::fmt;
use std::str::FromStr;

use crate::config::{Broker, BrokerKind, Text};

/// A broker, and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BrokerChoice {
    #[default]
    Embedded,
    /// The brokers that are asked first.
    Kafka(String),
}

impl FromStr for BrokerChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "embedded" => Ok(BrokerChoice::Embedded),
            Some(("kafka", bootstrap)) if !bootstrap.trim().is_empty() => Ok(BrokerChoice::Kafka(bootstrap.to_owned())),
            Some(_) | None => Err("write embedded, or kafka=HOST:PORT".to_owned()),
        }
    }
}

impl fmt::Display for BrokerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BrokerChoice::Embedded => f.write_str("embedded"),
            BrokerChoice::Kafka(bootstrap) => write!(f, "kafka={bootstrap}"),
        }
    }
}

impl BrokerChoice {
    /// The section of `saga.toml`. Every name in a cluster begins with the prefix.
    pub fn section(&self, prefix: &str) -> String {
        match self {
            BrokerChoice::Embedded => String::new(),
            BrokerChoice::Kafka(bootstrap) => {
                let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
                format!(
                    "\n[broker]\nkind = \"kafka\"\nbootstrap = {}\nprefix = {}\npartitions = 2\n",
                    quoted(bootstrap),
                    quoted(prefix)
                )
            }
        }
    }

    /// The same over a configuration that was read.
    pub fn apply(&self, broker: &mut Broker) {
        if let BrokerChoice::Kafka(bootstrap) = self {
            broker.kind = BrokerKind::Kafka;
            broker.bootstrap = Text(bootstrap.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_as_it_is_written() {
        for choice in [BrokerChoice::Embedded, BrokerChoice::Kafka("a:1,b:2".to_owned())] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for text in ["kafka", "kafka=", "rabbit=x", ""] {
            assert!(text.parse::<BrokerChoice>().is_err(), "{text}");
        }
    }
}
