//! A store of Python's: an object with `get_many` and `set_many`.

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use foretold::StoreError;
use foretold::unstable::{
    Cursor, Inventory, Page, Purge, Selection, Statistics, Store, StoreFuture,
};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// What is raised in a store that is no error of the store: Ctrl-C, say. It waits for the end of the
/// call, which no exception can leave.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<Mutex<Option<PyErr>>>);

impl Interrupt {
    /// What was raised, if anything was.
    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().ok()?.take()
    }

    fn put(&self, error: PyErr) {
        if let Ok(mut interrupt) = self.0.lock() {
            *interrupt = Some(error);
        }
    }
}

/// Entries are where an object of Python's keeps them.
pub(crate) struct PythonStore {
    object: Py<PyAny>,
    interrupt: Interrupt,
}

impl PythonStore {
    pub(crate) fn new(object: Py<PyAny>, interrupt: Interrupt) -> PythonStore {
        PythonStore { object, interrupt }
    }

    fn read(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let values = Python::attach(|py| -> PyResult<Vec<Option<Vec<u8>>>> {
            self.object.call_method1(py, "get_many", (keys.to_vec(),))?.extract(py)
        });
        let values = values.map_err(|error| self.failed(error))?;
        if values.len() != keys.len() {
            let (found, expected) = (values.len(), keys.len());
            return Err(StoreError(format!("the store gave {found} values for {expected} keys")));
        }
        Ok(values.into_iter().map(|value| value.map(Bytes::from)).collect())
    }

    fn write(&self, entries: &[(String, Bytes)], time: Duration) -> Result<(), StoreError> {
        let written = Python::attach(|py| {
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| (key, PyBytes::new(py, value))).collect();
            self.object.call_method1(py, "set_many", (entries, time.as_secs())).map(drop)
        });
        written.map_err(|error| self.failed(error))
    }

    /// A store that fails costs the prediction nothing but time.
    fn failed(&self, error: PyErr) -> StoreError {
        Python::attach(|py| {
            let message = StoreError(error.to_string());
            if !error.is_instance_of::<PyException>(py) {
                self.interrupt.put(error);
            }
            message
        })
    }
}

impl Store for PythonStore {
    fn get<'a>(&'a self, key: &'a str, _: Duration) -> StoreFuture<'a, Option<Bytes>> {
        let value = self.read(&[key.to_owned()]).map(|mut values| values.pop().flatten());
        Box::pin(ready(value))
    }

    fn set<'a>(&'a self, key: &'a str, value: Bytes, time: Duration) -> StoreFuture<'a, ()> {
        Box::pin(ready(self.write(&[(key.to_owned(), value)], time)))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [String],
        _: Duration,
    ) -> StoreFuture<'a, Vec<Option<Bytes>>> {
        Box::pin(ready(self.read(keys)))
    }

    fn set_many(&self, entries: Vec<(String, Bytes)>, time: Duration) -> StoreFuture<'_, ()> {
        Box::pin(ready(self.write(&entries, time)))
    }
}

/// For tools, which do not come here.
impl Inventory for PythonStore {
    fn page<'a>(&'a self, _: &'a Selection, _: Cursor) -> StoreFuture<'a, Page> {
        no_tools()
    }

    fn remove<'a>(&'a self, _: &'a [String]) -> StoreFuture<'a, u64> {
        no_tools()
    }

    fn change_generation<'a>(&'a self, _: &'a Purge) -> StoreFuture<'a, u64> {
        no_tools()
    }

    fn free_old_generations<'a>(
        &'a self,
        _: &'a mut (dyn FnMut(u64) + Send),
    ) -> StoreFuture<'a, u64> {
        no_tools()
    }

    fn statistics(&self) -> StoreFuture<'_, Statistics> {
        no_tools()
    }
}

fn no_tools<'a, T: Send + 'a>() -> StoreFuture<'a, T> {
    Box::pin(ready(Err(StoreError("a store of Python's cannot be listed".to_owned()))))
}
