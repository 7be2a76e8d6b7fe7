//! What goes on beside the commands: one task watches the connection, and makes another one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tracing::{debug, info};

use crate::store::redis::connection::breaker::{Breaker, Shared};
use crate::store::redis::connection::dial::{CONNECT_TIMEOUT, FIRST_PAUSE, LONGEST_PAUSE};
use crate::store::redis::connection::session::{POLL_PAUSE, Session};
use crate::store::redis::error::describe;

/// A server that was quiet for so long is asked whether it is there.
const PING_PAUSE: Duration = Duration::from_secs(10);

/// Does what the state of the breaker asks for. It ends with the store.
pub(crate) async fn keep(shared: Weak<Shared>, mut states: watch::Receiver<Breaker>) {
    while shared.strong_count() > 0 {
        let state = states.borrow_and_update().clone();
        match state {
            Breaker::Closed(session) => tokio::select! {
                // An end of it that came before is seen at once.
                () = attend(&shared, session) => {}
                _ = states.changed() => {}
            },
            Breaker::Renewing { .. } => renew(&shared).await,
            Breaker::Open { reason, .. } => probe_until_closed(&shared, reason).await,
        }
    }
}

/// Makes another connection at once; where that fails or takes long, it is an outage.
async fn renew(shared: &Weak<Shared>) {
    let Some(shared) = shared.upgrade() else { return };
    let mut attempt = std::pin::pin!(shared.probe());
    let (reason, is_late) = match tokio::time::timeout(shared.url.timeout, &mut attempt).await {
        Ok(Ok(())) => return debug!("connected to {} anew", shared.url),
        Ok(Err(reason)) => (shared.reason(&reason), false),
        Err(_) => ("it does not answer in time".to_owned(), true),
    };
    shared.give_up_renewal(&reason);
    // Where it only took long, it may still come before the first probe.
    if is_late && matches!(tokio::time::timeout(FIRST_PAUSE, attempt).await, Ok(Ok(()))) {
        info!("{} answers again", shared.url);
    }
}

/// Tries to connect while the breaker is open.
async fn probe_until_closed(shared: &Weak<Shared>, mut told: String) {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let Some(shared) = shared.upgrade().filter(|shared| !shared.is_connected()) else { return };
        let Err(reason) = shared.probe().await else {
            info!("{} answers again", shared.url);
            return;
        };
        // Another reason is news: first nobody listens, then the password is a wrong one.
        let reason = shared.reason(&reason);
        if reason != told {
            info!("{} still fails ({reason})", shared.url);
            told = reason;
            shared.note_reason(&told);
        }
    }
}

/// Reads the generations when they have changed, asks a quiet server whether it is there, and
/// notices the end of the connection. It ends with that, or with the session.
async fn attend(shared: &Weak<Shared>, session: Arc<Session>) {
    let generations = session.generations.clone();
    let poll_pause = session.poll_pause;
    let mut ended = std::pin::pin!(session.link.ended());
    let session = {
        let weak = Arc::downgrade(&session);
        drop(session);
        weak
    };
    let mut pings = tokio::time::interval(PING_PAUSE);
    pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let wait = poll_pause.is_some() || generations.view().is_none();
        let (mut has_ended, mut is_ping) = (false, false);
        tokio::select! {
            () = &mut ended => has_ended = true,
            () = generations.changed.notified() => {}
            () = tokio::time::sleep(poll_pause.unwrap_or(POLL_PAUSE)), if wait => {}
            _ = pings.tick() => is_ping = true,
        }
        let (Some(shared), Some(session)) = (shared.upgrade(), session.upgrade()) else { return };
        if has_ended {
            return shared.renew(&session, "it was closed");
        }
        if !is_ping {
            let reading = shared.refresh(&session);
            match generations.life() {
                // One that is slow must not keep the next from being in time.
                Some(life) => drop(tokio::time::timeout(life / 4, reading).await),
                None => drop(reading.await),
            }
            shared.suspects.remove_too_long(&session, &shared.url).await;
        } else if session.quiet_for() >= PING_PAUSE / 2 {
            ping(&shared, &session).await;
        }
    }
}

/// Asks whether the server is there. Nobody waits: it may take longer than a command.
async fn ping(shared: &Arc<Shared>, session: &Arc<Session>) {
    let mut pipeline = redis::pipe();
    pipeline.cmd("PING");
    match session.link.send(pipeline, CONNECT_TIMEOUT.max(shared.url.timeout)).await {
        Ok(_) => session.note_answer(),
        Err(error) => shared.renew(session, &describe(&error)),
    }
}
