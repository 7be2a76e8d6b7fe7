//! What a request did, for whoever counts.

/// Counts of one request. An array of rows counts as that many predictions, and every prediction
/// is counted once: `hits + misses + bypassed + refused` is their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Position of the endpoint; `None` where none was meant.
    pub endpoint: Option<usize>,
    /// Predictions that derive from an entry.
    pub hits: u32,
    /// Predictions that were computed because there was no entry to serve.
    pub misses: u32,
    /// Predictions that were computed without a look into the store.
    pub bypassed: u32,
    /// Rows that got an error instead of a prediction.
    pub refused: u32,
    /// Entries that the store confirmed.
    pub stored: u32,
    /// Entries that it did not.
    pub dropped: u32,
    /// Values that were found and are no entries.
    pub corrupt: u32,
    /// Entries that were found and are too old.
    pub expired: u32,
    /// Look-ups that the store did not answer.
    pub unavailable: u32,
}
