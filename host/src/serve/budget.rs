//! How much memory a host may take, and what each part of it gets.
//!
//! ```text
//! the program        code, compiled code, threads, queued writes: BASE_BYTES
//! + the store        --store-memory-mib, where entries are in this process
//! + the near cache   --near-cache-mib
//! + connections      --max-connections × CONNECTION_BYTES
//! + bodies           of requests that are being read or answered
//! + answers          that clients have not read yet
//! + instances        in use and idle, of all components together
//! = --memory-mib
//! ```
//!
//! The last three are counted in permits as they are taken, so the sum holds whatever clients do:
//! what finds no room waits for a moment and then gets 503. Without `--memory-mib` the parts have
//! defaults and the sum follows from them; with it bodies and answers get an eighth each of what the
//! first four leave, and the instances the rest.

use std::fmt;

const MIB: u64 = 1 << 20;
/// The program itself: its code, compiled components, threads, metrics, and entries that are on their way
/// to the store.
const BASE_BYTES: u64 = 96 * MIB;
/// Longest head of a request: the rest of the connection's share follows from it.
pub(crate) const MAX_HEAD_BYTES: usize = 64 << 10;
/// What the body of a request and its answer may take without asking for room, so that small
/// requests are answered while large ones wait: a part of the connection's share.
pub(crate) const SMALL_BYTES: usize = 16 << 10;
/// A connection: what is read and what is written of heads, a small body and a small answer, and
/// the task.
const CONNECTION_BYTES: u64 = 2 * MAX_HEAD_BYTES as u64 + 2 * SMALL_BYTES as u64 + (32 << 10);
/// Bodies and answers, unless `--memory-mib` says otherwise.
const DEFAULT_BYTES: u64 = 128 * MIB;
/// The near cache, unless `--near-cache-mib` says otherwise or there is little memory.
const DEFAULT_NEAR_BYTES: u64 = 64 * MIB;
/// Instances, unless `--memory-mib` says otherwise.
const DEFAULT_INSTANCE_BYTES: u64 = 1024 * MIB;
/// Instances of full size that there is room for by default.
const DEFAULT_INSTANCES: u64 = 8;
/// Longest answer, at least.
const MIN_ANSWER_BYTES: u64 = 16 * MIB;

/// The options that decide it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// All of it, where the operator says so.
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) max_connections: u64,
    pub(crate) max_body_bytes: u64,
    /// Of one instance.
    pub(crate) max_memory_bytes: u64,
    /// Of entries in this process.
    pub(crate) store_bytes: u64,
    /// Of the near cache, where the operator says so.
    pub(crate) near_bytes: Option<u64>,
}

/// What each part may take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    store: u64,
    /// What was answered or read a moment ago.
    pub(crate) near: u64,
    connections: u64,
    /// Bodies of requests.
    pub(crate) bodies: u64,
    /// Answers that are not read yet.
    pub(crate) answers: u64,
    /// Instances.
    pub(crate) instances: u64,
    /// Longest answer of an instance.
    pub(crate) max_answer: u64,
}

impl Budget {
    /// Shares the memory out.
    ///
    /// # Errors
    /// If it is not enough for one request of full size.
    pub(crate) fn new(demand: Demand) -> Result<Budget, String> {
        let Demand { memory_bytes, max_connections, max_body_bytes, max_memory_bytes, .. } = demand;
        let store = demand.store_bytes;
        let max_answer = (4 * max_body_bytes).max(MIN_ANSWER_BYTES).min(max_memory_bytes);
        let connections = max_connections * CONNECTION_BYTES;
        let Some(memory) = memory_bytes else {
            let near = demand.near_bytes.unwrap_or(DEFAULT_NEAR_BYTES);
            return Ok(Budget {
                store,
                near,
                connections,
                bodies: DEFAULT_BYTES.max(2 * max_body_bytes),
                answers: DEFAULT_BYTES.max(2 * max_answer),
                instances: DEFAULT_INSTANCE_BYTES.max(DEFAULT_INSTANCES * max_memory_bytes),
                max_answer,
            });
        };
        let parts = |near| {
            let rest = memory.saturating_sub(BASE_BYTES + store + near + connections);
            (rest, (rest / 8).max(max_body_bytes), (rest / 8).max(max_answer))
        };
        let near = demand.near_bytes.unwrap_or_else(|| {
            // A small host has a small one, and one request of full size goes before it.
            let (rest, bodies, answers) = parts(0);
            let spare = rest.saturating_sub(bodies + answers + max_memory_bytes);
            DEFAULT_NEAR_BYTES.min(memory / 16).min(spare)
        });
        let (rest, bodies, answers) = parts(near);
        match rest.checked_sub(bodies + answers) {
            Some(instances) if instances >= max_memory_bytes => {
                Ok(Budget { store, near, connections, bodies, answers, instances, max_answer })
            }
            _ => Err(format!(
                "{} MiB are not enough: {} for the program, {} for the store (--store-memory-mib), \
                 {} for the near cache (--near-cache-mib), {} for connections (--max-connections), and for a request of full size {} for its \
                 body (--max-body-bytes), {} for its answer and {} for its instance \
                 (--max-memory-mib)",
                memory / MIB,
                BASE_BYTES / MIB,
                mib(store),
                mib(near),
                mib(connections),
                mib(max_body_bytes),
                mib(max_answer),
                mib(max_memory_bytes),
            )),
        }
    }

    /// All of it.
    pub(crate) fn total(&self) -> u64 {
        let Budget { store, near, connections, bodies, answers, instances, max_answer: _ } = self;
        BASE_BYTES + store + near + connections + bodies + answers + instances
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Budget { store, near, connections, bodies, answers, instances, max_answer: _ } = *self;
        write!(
            f,
            "at most {} MiB: {} for the program, {} for the store, {} for the near cache, \
             {} for connections, {} for bodies, {} for answers and {} for instances",
            mib(self.total()),
            BASE_BYTES / MIB,
            mib(store),
            mib(near),
            mib(connections),
            mib(bodies),
            mib(answers),
            mib(instances),
        )
    }
}

/// Rounded up, so that the parts are never more than what is said.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Demand = Demand {
        memory_bytes: None,
        max_connections: 1024,
        max_body_bytes: 4 * MIB,
        max_memory_bytes: 128 * MIB,
        store_bytes: 256 * MIB,
        near_bytes: None,
    };

    #[test]
    fn the_sum_of_the_defaults_is_said() {
        let budget = Budget::new(DEFAULTS).unwrap();
        assert_eq!(
            budget.to_string(),
            "at most 1888 MiB: 96 for the program, 256 for the store, 64 for the near cache, 192 for \
             connections, 128 for bodies, 128 for answers and 1024 for instances"
        );
        assert_eq!(budget.max_answer, 16 * MIB);
    }

    #[test]
    fn what_the_operator_says_is_what_the_parts_add_up_to() {
        for memory in [800, 801, 1000, 1888, 4096, 1 << 20] {
            for (max_connections, store) in [(1, 0), (64, 256), (1024, 16)] {
                let demand = Demand {
                    memory_bytes: Some(memory * MIB),
                    max_connections,
                    store_bytes: store * MIB,
                    ..DEFAULTS
                };
                let budget = Budget::new(demand).unwrap();
                assert_eq!(budget.total(), memory * MIB, "{budget}");
                assert!(budget.bodies >= 4 * MIB && budget.answers >= budget.max_answer);
                assert!(budget.instances >= 128 * MIB, "{budget}");
            }
        }
    }

    #[test]
    fn too_little_is_refused_with_what_is_needed() {
        for memory in [1, 96, 500] {
            let demand = Demand { memory_bytes: Some(memory * MIB), ..DEFAULTS };
            let error = Budget::new(demand).unwrap_err();
            assert!(error.starts_with(&format!("{memory} MiB are not enough")), "{error}");
            assert!(error.contains("128 for its instance (--max-memory-mib)"), "{error}");
        }
    }

    #[test]
    fn large_requests_get_more_by_default() {
        let demand =
            Demand { max_body_bytes: 1024 * MIB, max_memory_bytes: 4096 * MIB, ..DEFAULTS };
        let budget = Budget::new(demand).unwrap();
        assert_eq!(budget.bodies, 2048 * MIB);
        assert_eq!(budget.max_answer, 4096 * MIB);
        assert_eq!(budget.instances, 8 * 4096 * MIB);
    }
}
