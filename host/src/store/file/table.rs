//! The file: its one table, and what tells it from the files of others.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageError, TableDefinition, TableHandle};
use tracing::warn;

use crate::plain_file::others_can_read;
use crate::store::backend::StoreError;

/// Key → expiry of 4 bytes and entry. Another form gets another number.
pub(super) const ENTRIES: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("foretold entries, form 1");
/// Pages of the file that are kept in memory, beside the operating system's own.
const CACHE_BYTES: usize = 64 << 20;

pub(super) fn open(path: &Path) -> Result<Database, String> {
    // Keys can be read back as requests.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| error.to_string())?;
    if others_can_read(&file.metadata().map_err(|error| error.to_string())?) {
        warn!(
            "{0} can be read by every user of this machine, and requests can be read from it: \
             `chmod 600 {0}`",
            path.display()
        );
    }
    // A plain open trusts the file, and may panic over one that something else has changed.
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    let database = FileBackend::new(file)
        .and_then(|file| builder.create_with_backend(file))
        .map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                "it is open in another process; one file serves one process".to_owned()
            }
            DatabaseError::UpgradeRequired(version) => {
                format!("its format {version} is too old; remove it to start anew")
            }
            DatabaseError::Storage(StorageError::Io(error))
                if error.kind() != std::io::ErrorKind::InvalidData =>
            {
                error.to_string()
            }
            error => {
                format!("it is damaged or no store of Foretold ({error}); remove it to start anew")
            }
        })?;
    check_tables(&database).map_err(|error| error.to_string())?.then_some(database).ok_or_else(
        || "it is the database of another program or version; choose another path".to_owned(),
    )
}

/// Makes the table in a new file; `false` where the file has others.
fn check_tables(database: &Database) -> Result<bool, redb::Error> {
    let transaction = database.begin_write()?;
    let foreign = transaction.list_tables()?.any(|table| table.name() != ENTRIES.name());
    if foreign || transaction.list_multimap_tables()?.next().is_some() {
        transaction.abort()?;
        return Ok(false);
    }
    transaction.open_table(ENTRIES)?;
    transaction.commit()?;
    Ok(true)
}

pub(super) fn store_error(error: redb::Error) -> StoreError {
    StoreError(error.to_string())
}
