//! Goal: the embedded broker keeps its promises on the database that installations use, not only on memory tables.
//! Method: the broker's own conformance suite over fjall in a temporary folder, opened anew after each crash.
#![forbid(unsafe_code)]

use std::sync::Arc;

use host_broker::broker_conformance;
use host_broker::conformance::{Disk, JointSubject};
use host_broker::drivers::embedded::EmbeddedOptions;
use host_core::table::Tables;
use host_store::backends::fjall::FjallTables;
use tempfile::TempDir;

/// A database in a folder of its own. The suite syncs every batch, so what the process leaves behind when it is killed
/// is what the next one finds; the store's suite is the one that cuts the log.
struct Folder(TempDir);

impl Disk for Folder {
    fn open(&self) -> Arc<dyn Tables> {
        Arc::new(FjallTables::open(self.0.path()).expect("the folder can be opened again"))
    }

    fn crash(&self) {}
}

fn folder() -> Folder {
    Folder(tempfile::tempdir().expect("a temporary folder can be made"))
}

broker_conformance!(JointSubject::new(folder(), EmbeddedOptions::default()));
