//! Where cached predictions live. One backend, one file.

mod backend;
mod clock;
mod file;
mod inventory;
mod key;
mod memory;
mod redis;
mod settings;
mod sweep;
mod url;

pub use self::backend::{Store, StoreError, StoreFuture};
pub use self::inventory::{
    Cursor, Entry, Inventory, ModelCount, Page, Purge, Selection, ServerStatistics, Statistics,
};
pub use self::memory::MemoryStore;
pub use self::redis::Layout;
pub use self::settings::{Password, StoreSettings};
pub use self::url::StoreUrl;
