//! Where bytes rest: implementations of the port `host_core::table::Tables`, and of the state that hosts share. The
//! only folder of this room that names a database.

pub mod fjall;
pub mod memory;
pub mod postgres;
