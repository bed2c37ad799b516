//! The statements of a commit in a loop with nothing around them: what `examples/shared_speed.rs` holds the backend
//! against. One connection, everything that is sent made before the clock starts.

use std::time::{Duration, Instant};

use super::address::Target;
use super::commit::{Questions, Writes};
use super::{Options, bigint, trouble};
use crate::shared::{Admitted, Error, Known, SharedUnit, admit};

/// Commit these batches, which must not conflict, into a schema that is there, and say how long the statements took.
pub async fn time_statements(options: &Options, batches: &[Vec<SharedUnit>]) -> Result<Duration, Error> {
    let target = Target::try_new(options)?;
    let server = target.server.clone();
    let failed = |error: tokio_postgres::Error| trouble::failed(&server, "timing its statements", &error);
    let pool = super::Pool::new(target, 1);
    let lease = pool.lease("timing its statements").await?;
    let session = lease.session();
    let last = session.client.query_one(&session.statements.last, &[]).await.map_err(failed)?;
    let last: i64 = last.try_get(0).map_err(failed)?;
    let known = || Known { last: super::lsn(i64::MAX), ..Known::default() };
    let admitted: Vec<Admitted<'_>> = batches.iter().map(|units| admit(units, known())).collect();
    let questions: Vec<Questions<'_>> = batches.iter().map(|units| Questions::of(units)).collect();
    let numbers = (bigint(super::lsn(last)) + 1..).zip(&admitted);
    let writes: Vec<Writes<'_>> = numbers.map(|(batch, admitted)| Writes::of(admitted, batch)).collect();
    let begun = Instant::now();
    for (questions, writes) in questions.iter().zip(&writes) {
        questions.ask(session).await.map_err(failed)?;
        writes.commit(session).await.map_err(failed)?;
    }
    Ok(begun.elapsed())
}
