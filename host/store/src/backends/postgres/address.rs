//! Where the database is and how to reach it: the address, the certificate authority, what each connection is set to.
//! The password stays in here.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::shared::{Error, limits};

/// How an address is written, for people who wrote it in another way.
const FORM: &str = "write it like postgresql://user:password@host:5432/database?sslmode=require, with %XX for special \
                    characters of the password; sslmode is disable, prefer or require, which checks the certificate";

/// How the shared state is reached, and how patient the host is with it.
#[derive(Clone)]
pub struct Options {
    /// As libpq reads it, a URL or `key=value` words. It may hold a password and is never printed. With
    /// `sslmode=require` the server's certificate and name are checked.
    pub address: String,
    /// All tables are in here: installations that share a database take one each.
    pub schema: String,
    /// Whom to trust for the server's certificate; the system's authorities if none.
    pub ca_file: Option<PathBuf>,
    pub connections_max: usize,
    /// How long the server may work on one statement.
    pub statement_max: Duration,
    /// How long to try again while the server is away.
    pub patience: Duration,
    /// What the server's administrator sees in `pg_stat_activity`.
    pub host_name: String,
}

impl Options {
    /// Everything but the address as it is by default.
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            schema: "saga".to_owned(),
            ca_file: None,
            connections_max: limits::CONNECTIONS_DEFAULT,
            statement_max: limits::STATEMENT_DEFAULT,
            patience: limits::PATIENCE_DEFAULT,
            host_name: "saga".to_owned(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Options that were read and found good.
pub(super) struct Target {
    config: Config,
    tls: MakeTlsConnector,
    /// Hosts, database and user: what errors name.
    pub server: Arc<str>,
    pub schema: String,
    pub statement_max: Duration,
}

impl Target {
    pub(super) fn try_new(options: &Options) -> Result<Self, Error> {
        // What the parser complains of may be a piece of the password, so its words are not repeated.
        let refuse = |cause: &str| Error::Address { cause: cause.to_owned(), cure: FORM };
        let mut config: Config = options.address.parse().map_err(|_| refuse("it cannot be read"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(refuse("it names no host"));
        }
        if config.get_user().is_none() {
            return Err(refuse("it names no user"));
        }
        let server = server(&config);
        // A password with a bare '@' is cut there, and its rest stands where the host or the database is named.
        let named = server.split(" (").next().unwrap_or_default();
        if named.contains('@') {
            return Err(refuse("there is an '@' in its host or database"));
        }
        check_schema(&options.schema)?;
        config
            .application_name(&options.host_name)
            .connect_timeout(limits::CONNECT_MAX)
            .keepalives_idle(limits::KEEPALIVE_IDLE)
            .tcp_user_timeout(options.statement_max + limits::ANSWER_GRACE)
            // After a failover the old primary may answer as a standby: of several hosts, the one that takes writes.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let tls = tls(&config, options)?;
        let schema = options.schema.clone();
        Ok(Self { config, tls, server: server.into(), schema, statement_max: options.statement_max })
    }

    /// How long to wait for the answer to a piece of work.
    pub(super) fn answer_max(&self) -> Duration {
        self.statement_max + limits::ANSWER_GRACE
    }

    /// A connection and the task that serves it. The connection closes when either is dropped.
    pub(super) async fn connect(&self) -> Result<(tokio_postgres::Client, Served), tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let served = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the shared state ended");
            }
        });
        let served = Served(served);
        client.batch_execute(&self.settings()).await?;
        Ok((client, served))
    }

    /// What a connection is set to. Every statement of this backend finds its rows by an index, in a table of any size:
    /// plans are made once, and not from the sizes of tables that were empty a minute ago. What others see is durable,
    /// unless the server does not even sync. A host whose machine is gone, or that stands still, does not keep its
    /// turn.
    fn settings(&self) -> String {
        let (statement_ms, turn_ms) = (self.statement_max.as_millis(), limits::TURN_HELD_MAX.as_millis());
        let (transaction_ms, keepalive_s) = (2 * statement_ms, limits::KEEPALIVE_IDLE.as_secs());
        format!(
            "SET search_path TO \"{}\"; SET client_min_messages TO warning; \
             SET statement_timeout TO {statement_ms}; SET idle_in_transaction_session_timeout TO {turn_ms}; \
             SET tcp_keepalives_idle TO {keepalive_s}; SET tcp_keepalives_interval TO 3; \
             SET tcp_keepalives_count TO 3; \
             SELECT set_config('transaction_timeout', '{transaction_ms}', false) \
             WHERE current_setting('server_version_num')::int >= 170000; \
             SET plan_cache_mode TO force_generic_plan; SET jit TO off; \
             SET enable_seqscan TO off; SET enable_hashjoin TO off; SET enable_mergejoin TO off; \
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
            self.schema
        )
    }
}

/// The task that moves a connection's bytes; it ends with this.
pub(super) struct Served(tokio::task::JoinHandle<()>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A name that needs no escaping anywhere.
fn check_schema(schema: &str) -> Result<(), Error> {
    let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    // PostgreSQL cuts longer names, keeps the prefix to itself, and would take a digit for a number.
    let good = (1..=63).contains(&schema.len())
        && schema.bytes().all(is_word)
        && !schema.starts_with(|first: char| first.is_ascii_digit())
        && !schema.starts_with("pg_");
    if good {
        return Ok(());
    }
    let cure = "a name of at most 63 of a-z, 0-9 and _ will do, like 'saga'; it begins with a letter and not with pg_";
    Err(Error::Address { cause: format!("{schema:?} is no name for its schema"), cure })
}

fn server(config: &Config) -> String {
    let name = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let mut names: Vec<String> = config.get_hosts().iter().map(name).collect();
    if names.is_empty() {
        names = config.get_hostaddrs().iter().map(ToString::to_string).collect();
    }
    let ports = config.get_ports();
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let places: Vec<String> = names.iter().enumerate().map(|(index, name)| format!("{name}:{}", port(index))).collect();
    let user = config.get_user().unwrap_or_default();
    format!("{}/{} (user {user})", places.join(","), config.get_dbname().unwrap_or(user))
}

fn tls(config: &Config, options: &Options) -> Result<MakeTlsConnector, Error> {
    let cure = "name a readable PEM file with the certificates of the authorities";
    let mut builder = SslConnector::builder(SslMethod::tls_client())
        .map_err(|error| Error::Address { cause: format!("TLS does not work: {error}"), cure: "see to OpenSSL" })?;
    if let Some(file) = &options.ca_file {
        let refuse = |error| Error::Address { cause: format!("the CA file {}: {error}", file.display()), cure };
        builder.set_ca_file(file).map_err(refuse)?;
    }
    // A client that would also do without TLS gains nothing from a check that an attacker can take away.
    if config.get_ssl_mode() != SslMode::Require && options.ca_file.is_none() {
        builder.set_verify(SslVerifyMode::NONE);
    }
    Ok(MakeTlsConnector::new(builder.build()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_of(address: &str) -> Result<String, String> {
        let target = Target::try_new(&Options::new(address));
        target.map(|target| target.server.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_server_is_named_by_hosts_database_and_user() {
        let named = server_of("postgresql://saga:s3cret@db-1,db-2:5433/orders?sslmode=require");
        assert_eq!(named.as_deref(), Ok("db-1:5432,db-2:5433/orders (user saga)"));
        assert_eq!(server_of("host=::1 user=saga").as_deref(), Ok("::1:5432/saga (user saga)"));
    }

    #[test]
    fn no_part_of_a_password_is_printed_whatever_is_wrong_with_the_address() {
        for address in [
            "postgresql://saga:s3cret@",
            "postgresql://saga:s3cret@db-1:s3cret/x",
            "postgresql://saga:pa@s3cret@db-1/x",
            "postgresql://saga:pa@1/s3cret@db-1/x",
            "postgresql://saga:s3cret@db-1/x?s3cret=1",
            "postgresql://saga:s3cret@db-1/x?sslmode=s3cret",
            "host=db-1 user=saga password=a s3cret",
            "s3cret",
            "",
        ] {
            let refused = server_of(address).expect_err(address);
            assert!(!refused.contains("s3cret"), "{refused}");
            assert!(refused.contains("write it like"), "{refused}");
        }
        let options = Options::new("postgresql://saga:s3cret@db-1/x");
        assert!(!format!("{options:?}").contains("s3cret"));
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        for schema in ["", "Saga", "sa ga", "sa\"ga", "1saga", "pg_saga", &"x".repeat(64)] {
            let options = Options { schema: schema.to_owned(), ..Options::new("host=db-1 user=saga") };
            let refused = Target::try_new(&options).map(|_| ()).expect_err(schema);
            assert!(refused.to_string().contains("no name for its schema"), "{refused}");
        }
    }

    #[test]
    fn a_missing_authority_is_refused_with_its_file() {
        let ca_file = Some(PathBuf::from("no-such-file.pem"));
        let options = Options { ca_file, ..Options::new("host=db-1 user=saga") };
        let refused = Target::try_new(&options).map(|_| ()).expect_err("the file is not there");
        assert!(refused.to_string().contains("no-such-file.pem"), "{refused}");
    }
}
