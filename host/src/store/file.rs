//! A store in one file of this machine, which survives a restart and a kill.

mod table;
mod writer;

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable};

use self::table::{ENTRIES, store_error};
use self::writer::{Change, Writer};
use crate::store::backend::{Store, StoreError, StoreFuture};
use crate::store::clock::{Expiry, SteadyClock};
use crate::store::inventory::{Counts, Position};
use crate::store::inventory::{Cursor, Entry, Inventory, Page, Purge, Selection, Statistics};
use crate::store::key::Key;

/// Entries of a page of a listing.
const PAGE_ENTRIES: usize = 1000;

/// Entries in a redb file. A value is confirmed when it is on the disk.
pub(crate) struct FileStore {
    path: PathBuf,
    database: Arc<Database>,
    clock: SteadyClock,
    writer: Writer,
}

impl FileStore {
    /// Opens a file, or makes it. Its whole content is checked, which takes about a second for
    /// some hundred megabytes.
    ///
    /// # Errors
    /// If it is damaged, none of ours, or open in another process; the message names the path.
    pub(crate) fn open(path: &Path) -> Result<FileStore, StoreError> {
        let database = table::open(path)
            .map_err(|reason| StoreError(format!("{}: {reason}", path.display())))?;
        let database = Arc::new(database);
        let clock = SteadyClock::from_wall_clock();
        let writer = Writer::start(database.clone(), clock, path);
        Ok(FileStore { path: path.to_owned(), database, clock, writer })
    }

    fn read<'a>(
        &self,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Option<Bytes>>, redb::Error> {
        let now = self.clock.now();
        let transaction = self.database.begin_read()?;
        let entries = transaction.open_table(ENTRIES)?;
        let values = keys.map(|key| {
            let stored = entries.get(key)?;
            Ok(stored
                .and_then(|stored| Expiry::read(stored.value(), now).map(Bytes::copy_from_slice)))
        });
        values.collect()
    }

    fn write(
        &self,
        entries: impl Iterator<Item = (String, Bytes)>,
        time_to_live: Duration,
    ) -> StoreFuture<'_, ()> {
        let expiry = Expiry::after(self.clock.now(), time_to_live);
        let entries = entries.map(|(key, value)| (key, expiry.join(&value))).collect();
        Box::pin(async move { self.writer.change(Change::Set(entries)).await.map(drop) })
    }

    fn read_page(&self, selection: &Selection, cursor: Cursor) -> Result<Page, redb::Error> {
        let now = self.clock.now();
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(ENTRIES)?;
        let start = match &cursor.0 {
            Position::After(key) => Bound::Excluded(&**key),
            Position::Start | Position::Scan { .. } => Bound::Unbounded,
        };
        let mut page = Page { entries: vec![], next: None };
        let mut seen = 0;
        for row in table.range::<&str>((start, Bound::Unbounded))?.take(PAGE_ENTRIES) {
            let (key, stored) = row?;
            seen += 1;
            page.next = Some(Cursor(Position::After(key.value().to_owned())));
            let Some((expiry, value)) = Expiry::split(stored.value()) else { continue };
            let Some(time_left) = expiry.time_left(now) else { continue };
            if selection.takes(Key::parse(key.value())) {
                let value = Bytes::copy_from_slice(value);
                let key = key.value().to_owned();
                page.entries.push(Entry { key, value, time_left: Some(time_left) });
            }
        }
        if seen < PAGE_ENTRIES {
            page.next = None;
        }
        Ok(page)
    }

    fn count(&self) -> Result<Counts, redb::Error> {
        let now = self.clock.now();
        let transaction = self.database.begin_read()?;
        let mut counts = Counts::default();
        for row in transaction.open_table(ENTRIES)?.iter()? {
            let (key, stored) = row?;
            if Expiry::read(stored.value(), now).is_some() {
                counts.add(Key::parse(key.value()).model(), 1);
            }
        }
        Ok(counts)
    }
}

fn ready<'a, T: Send + 'a>(result: Result<T, redb::Error>) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(result.map_err(store_error)))
}

/// Reads are made at once, without a thread of their own: what they need is in memory as a rule.
impl Store for FileStore {
    fn get<'a>(&'a self, key: &'a str, _: Duration) -> StoreFuture<'a, Option<Bytes>> {
        let values = self.read(std::iter::once(key));
        ready(values.map(|mut values| values.pop().flatten()))
    }

    fn set<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        time_to_live: Duration,
    ) -> StoreFuture<'a, ()> {
        self.write(std::iter::once((key.to_owned(), value)), time_to_live)
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [String],
        _: Duration,
    ) -> StoreFuture<'a, Vec<Option<Bytes>>> {
        ready(self.read(keys.iter().map(String::as_str)))
    }

    fn set_many(
        &self,
        entries: Vec<(String, Bytes)>,
        time_to_live: Duration,
    ) -> StoreFuture<'_, ()> {
        self.write(entries.into_iter(), time_to_live)
    }
}

impl Inventory for FileStore {
    fn page<'a>(&'a self, selection: &'a Selection, cursor: Cursor) -> StoreFuture<'a, Page> {
        ready(self.read_page(selection, cursor))
    }

    fn remove<'a>(&'a self, keys: &'a [String]) -> StoreFuture<'a, u64> {
        Box::pin(self.writer.change(Change::Remove(keys.to_vec())))
    }

    /// It simply removes them.
    fn change_generation<'a>(&'a self, purge: &'a Purge) -> StoreFuture<'a, u64> {
        Box::pin(self.writer.change(Change::Purge(purge.clone())))
    }

    fn free_old_generations<'a>(
        &'a self,
        _: &'a mut (dyn FnMut(u64) + Send),
    ) -> StoreFuture<'a, u64> {
        ready(Ok(0))
    }

    fn statistics(&self) -> StoreFuture<'_, Statistics> {
        let result = self.count().map_err(store_error).and_then(|counts| {
            let file = std::fs::metadata(&self.path);
            let bytes = file.map_err(|error| StoreError(error.to_string()))?.len();
            Ok(Statistics { models: counts.into_models(), bytes, server: None })
        });
        Box::pin(std::future::ready(result))
    }
}
