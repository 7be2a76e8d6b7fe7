//! Frees expired fields of the layout `hash` where the server does not.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use crate::store::clock::Expiry;
use crate::store::redis::connection::breaker::Shared;
use crate::store::redis::connection::failure::Failure;
use crate::store::redis::connection::session::Session;
use crate::store::redis::tools::scan;
use crate::store::sweep::{PAUSE, Step, Turn};

/// Looks at a bounded number of fields in every turn, as long as the store lives.
pub(crate) async fn sweep(shared: Weak<Shared>) {
    // Where HSCAN goes on, by hash.
    let mut cursors: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(shared) = shared.upgrade() else { return };
        let Ok(session) = shared.session().await else { continue };
        let Some(hashes) = session.layout.swept_hashes() else { continue };
        for hash in hashes.all() {
            let mut turn = Turn::begin();
            while turn.goes_on() {
                let cursor = cursors.remove(&hash).unwrap_or_default();
                let Ok((next, step)) = step(&shared, &session, &hash, cursor).await else { break };
                if next != 0 {
                    cursors.insert(hash.clone(), next);
                } else if step.seen == step.expired {
                    // There is nothing left: an old generation perhaps.
                    hashes.forget(&hash);
                }
                turn.note(step);
            }
        }
    }
}

/// Frees some hundred fields at most; besides, it gives the cursor of the next ones.
async fn step(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    hash: &str,
    cursor: u64,
) -> Result<(u64, Step), Failure> {
    let page = scan::fields(shared, session, hash.as_bytes(), cursor).await?;
    let now = session.clock.now();
    let expired: Vec<&[u8]> = page
        .fields
        .iter()
        .filter(|(_, stored)| Expiry::is_over(stored, now))
        .map(|(field, _)| &field[..])
        .collect();
    if !expired.is_empty() {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HDEL").arg(hash).arg(&expired);
        shared.run_tool(session, pipeline).await?;
    }
    let (seen, expired, is_last) = (page.fields.len(), expired.len(), page.next == 0);
    Ok((page.next, Step { seen, expired, is_last }))
}
