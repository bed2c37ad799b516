//! All that a step usually needs: `use saga_step::prelude::*;`.

pub use serde::{Deserialize, Serialize};

pub use crate::answer::{
    Done, Rejected, ResultExt, Retry, StepResult, Stop, Wait, done, rejected, replaced, retry, unchanged, wait,
};
pub use crate::context::{Context, Direction, Failure};
pub use crate::decimal::Decimal;
pub use crate::id::Id;
pub use crate::{config, events, keyvalue, random, reject, time};
pub use crate::{debug, error, info, trace, warn};
