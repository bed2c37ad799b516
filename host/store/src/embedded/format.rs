//! The format of everything in the tables, the broker's rows included: who may read them. One number for the whole
//! folder, since one batch writes for both rooms.

use host_core::table::{Batch, Durability, Table, Tables};

use super::keys;
use crate::Error;

/// Written when the folder is made. A change of any key or value layout raises it.
pub const FORMAT: u32 = 1;

/// Accept tables of this format, mark empty ones with it, refuse all others.
pub(crate) fn check(tables: &dyn Tables) -> Result<(), Error> {
    let Some(stored) = tables.get(Table::Meta, keys::META_FORMAT)? else {
        let mut batch = Batch::default();
        batch.put(Table::Meta, keys::META_FORMAT, FORMAT.to_be_bytes().to_vec());
        return Ok(tables.write(batch, Durability::Synced)?);
    };
    let bytes = stored.as_ref().try_into().map_err(|_| Error::corrupt("the format mark", "it is not four bytes"))?;
    let found = u32::from_be_bytes(bytes);
    let cure = match found.cmp(&FORMAT) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Greater => "run the newer version of saga that wrote it",
        std::cmp::Ordering::Less => "run the older version of saga that wrote it, or start with an empty data folder",
    };
    Err(Error::Format { found, expected: FORMAT, cure })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::memory::MemoryTables;

    #[test]
    fn an_empty_folder_is_marked_and_another_format_is_refused_with_the_cure() {
        let tables = MemoryTables::new();
        check(&tables).expect("empty tables are ours");
        check(&tables).expect("marked tables are ours");
        let mut batch = Batch::default();
        batch.put(Table::Meta, keys::META_FORMAT, 9u32.to_be_bytes().to_vec());
        tables.write(batch, Durability::Synced).expect("memory takes every write");
        let error = check(&tables).expect_err("format 9 is not ours");
        assert!(matches!(error, Error::Format { found: 9, expected: FORMAT, .. }));
        assert!(error.to_string().contains("newer version"), "{error}");
    }
}
