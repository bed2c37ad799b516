//! The tables and their versions: numbered SQL files, each applied once, all that are missing in one transaction. What
//! a file changes must leave the program before it working, since hosts are replaced one by one.

use tokio_postgres::Client;

use super::address::Target;
use super::trouble;
use crate::shared::Error;

/// In their order; the version of a schema is the number of files that were applied to it.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001-tables.sql")];

/// The first version of PostgreSQL that its makers still care for.
const SERVER_VERSION_MIN: i32 = 130_000;

/// Hosts that open a schema at once take turns. Any number will do; these bytes are "saga".
const LOCK: i32 = i32::from_be_bytes(*b"saga");

const DOING: &str = "looking over its schema";

/// Bring the schema to the version of this program, or refuse it and leave it as it is.
pub(super) async fn migrate(target: &Target) -> Result<(), Error> {
    let failed = |error: tokio_postgres::Error| trouble::failed(&target.server, DOING, &error);
    let migrating = async {
        let (client, _served) = target.connect().await.map_err(failed)?;
        check_server(&client, target).await?;
        client.batch_execute("BEGIN").await.map_err(failed)?;
        let found = version(&client, target).await.map_err(failed)?;
        let known = MIGRATIONS.len() as i32;
        if found > known {
            return Err(Error::Newer { server: target.server.clone(), schema: target.schema.clone(), found, known });
        }
        apply_behind(&client, found).await.map_err(failed)?;
        // A client that goes without a commit leaves nothing behind.
        client.batch_execute("COMMIT").await.map_err(failed)
    };
    match tokio::time::timeout(target.answer_max(), migrating).await {
        Ok(migrated) => migrated,
        Err(_) => Err(trouble::silent(&target.server, DOING, target.answer_max())),
    }
}

async fn check_server(client: &Client, target: &Target) -> Result<(), Error> {
    let asked = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), \
                 current_setting('fsync')::boolean";
    let failed = |error: tokio_postgres::Error| trouble::failed(&target.server, DOING, &error);
    let row = client.query_one(asked, &[]).await.map_err(failed)?;
    let version: i32 = row.try_get(0).map_err(failed)?;
    let encoding: String = row.try_get(1).map_err(failed)?;
    let syncs: bool = row.try_get(2).map_err(failed)?;
    if version < SERVER_VERSION_MIN {
        let cause = format!("it is of version {}", version / 10_000);
        return Err(trouble::unfit(&target.server, DOING, cause, "13 is the first that will do"));
    }
    if encoding != "UTF8" {
        let cause = format!("its encoding is {encoding}, which cannot hold every id");
        return Err(trouble::unfit(&target.server, DOING, cause, "use a database with ENCODING 'UTF8'"));
    }
    if !syncs {
        tracing::warn!(server = %target.server, "the server runs with fsync=off and may lose what it acknowledged");
    }
    Ok(())
}

/// The version of the schema, which is made if it is not there. Whoever has no right to make schemas can be given one.
async fn version(client: &Client, target: &Target) -> Result<i32, tokio_postgres::Error> {
    let lock = client.prepare("SELECT pg_advisory_xact_lock($1, hashtext($2))").await?;
    client.execute(&lock, &[&LOCK, &target.schema]).await?;
    let there = client.query_opt("SELECT FROM pg_namespace WHERE nspname = $1", &[&target.schema]).await?;
    if there.is_none() {
        client.batch_execute(&format!("CREATE SCHEMA \"{}\"", target.schema)).await?;
    }
    let log = "CREATE TABLE IF NOT EXISTS schema_version \
               (version int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())";
    let there = client
        .query_opt("SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'schema_version'", &[&target.schema])
        .await?;
    if there.is_none() {
        client.batch_execute(log).await?;
    }
    client.query_one("SELECT coalesce(max(version), 0) FROM schema_version", &[]).await?.try_get(0)
}

async fn apply_behind(client: &Client, found: i32) -> Result<(), tokio_postgres::Error> {
    for (text, number) in MIGRATIONS.iter().zip(1..).filter(|(_, number)| *number > found) {
        client.batch_execute(text).await?;
        client.execute("INSERT INTO schema_version (version) VALUES ($1)", &[&number]).await?;
    }
    Ok(())
}
