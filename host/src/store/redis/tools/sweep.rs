//! Frees expired fields of the layout `hash` where the server does not.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::store::clock::Expiry;
use crate::store::redis::connection::breaker::{Failure, Shared};
use crate::store::redis::connection::session::Session;
use crate::store::redis::tools::scan;

/// Between two turns.
const PAUSE: Duration = Duration::from_secs(1);
/// Steps of a turn: one for each hash, and more as long as a good part of what they see has
/// expired. A step looks at some hundreds of fields.
const MAX_STEPS: usize = 20;
const GOOD_PART: usize = 10;

/// Looks at a bounded number of fields in every turn, as long as the store lives.
pub(crate) async fn sweep(shared: Weak<Shared>) {
    // Where HSCAN goes on, by hash.
    let mut cursors: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(shared) = shared.upgrade() else { return };
        let Ok(session) = shared.session() else { continue };
        let Some(hashes) = session.layout.swept_hashes() else { continue };
        for hash in hashes.all() {
            for _ in 0..MAX_STEPS {
                let cursor = cursors.remove(&hash).unwrap_or_default();
                let Ok(step) = step(&shared, &session, &hash, cursor).await else { break };
                if step.next != 0 {
                    cursors.insert(hash.clone(), step.next);
                } else if step.seen == step.expired {
                    // There is nothing left: an old generation perhaps.
                    hashes.forget(&hash);
                }
                if step.expired * GOOD_PART <= step.seen || step.next == 0 {
                    break;
                }
            }
        }
    }
}

struct Step {
    next: u64,
    seen: usize,
    expired: usize,
}

async fn step(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    hash: &str,
    cursor: u64,
) -> Result<Step, Failure> {
    let page = scan::fields(shared, session, hash.as_bytes(), cursor).await?;
    let now = session.clock.now();
    let is_past =
        |stored: &[u8]| Expiry::split(stored).is_none_or(|(expiry, _)| expiry.is_past(now));
    let expired: Vec<&[u8]> = page
        .fields
        .iter()
        .filter(|(_, stored)| is_past(stored))
        .map(|(field, _)| &field[..])
        .collect();
    if !expired.is_empty() {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HDEL").arg(hash).arg(&expired);
        shared.run_tool(session, pipeline).await?;
    }
    Ok(Step { next: page.next, seen: page.fields.len(), expired: expired.len() })
}
