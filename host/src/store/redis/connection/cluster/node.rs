//! A node of a cluster: one connection to it, which is made again whenever it ends.
//!
//! It is the node that knows whether it answers, and not redis-rs: that would forget a node without
//! a connection, and ask the others for the slots with every command that would have gone to it.
//! While it does not answer, its commands fail at once; those of the other nodes go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::cluster::NodeAddress;
use redis::{Pipeline, RedisError, RedisResult, Value};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tracing::{debug, info, warn};

use crate::store::redis::connection::dial::{
    CONNECT_TIMEOUT, Connection, FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_LIFE,
};
use crate::store::redis::connection::generations::Generations;
use crate::store::redis::error::{away, describe, is_cut_value, is_lost};
use crate::store::redis::url::RedisUrl;

/// How often commands are sent again whose connection ended.
const RETRIES: usize = 2;
/// Longer than anybody waits for a reply.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What the nodes of a cluster have in common.
pub(crate) struct Dialler {
    pub(crate) url: RedisUrl,
    pub(crate) reads_replicas: bool,
    /// Invalidated by the node that has them.
    pub(crate) generations: Arc<Generations>,
    /// Wakes who waits for the end of all nodes.
    pub(crate) changed: Notify,
    /// Whether the log is to hear of single nodes: before, the attempt as a whole is told.
    pub(crate) is_in_use: AtomicBool,
    /// Whether a reply that is too long has ended a connection.
    pub(crate) was_cut: AtomicBool,
}

impl Dialler {
    async fn dial(&self, address: &NodeAddress) -> RedisResult<Connection> {
        let (host, port) = (address.host(), address.port());
        let connection = Connection::dial_to(&self.url, host, port, &self.generations).await?;
        if self.reads_replicas {
            let mut pipeline = redis::pipe();
            pipeline.cmd("READONLY");
            connection.send(&pipeline, CONNECT_TIMEOUT).await?;
        }
        Ok(connection)
    }
}

/// A node, for as long as redis-rs or anybody else has it.
pub(crate) struct Node {
    state: watch::Receiver<State>,
    wanted: Arc<Notify>,
    keeper: AbortHandle,
}

#[derive(Clone)]
enum State {
    /// Nobody has asked for it yet: a replica perhaps, which is not read from.
    Unwanted,
    Connecting,
    Connected(Arc<Connection>),
    Away(RedisError),
}

impl Node {
    /// It connects with the first command.
    pub(crate) fn new(address: NodeAddress, dialler: Arc<Dialler>) -> Node {
        let (sender, state) = watch::channel(State::Unwanted);
        let wanted = Arc::new(Notify::new());
        let keeper = Keeper { address, dialler, state: sender, is_told: false };
        let keeper = tokio::spawn(keeper.keep(wanted.clone())).abort_handle();
        Node { state, wanted, keeper }
    }

    /// Sends commands in one round trip. Where the connection ends meanwhile, they are sent again
    /// on the next.
    ///
    /// # Errors
    /// If the node does not answer: [`away`].
    pub(crate) async fn exchange(&self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        for _ in 0..=RETRIES {
            let connection = self.connection().await?;
            match connection.exchange(pipeline, LONGEST_WAIT).await {
                Ok(replies) if replies.iter().all(is_cut_value) => {}
                Ok(replies) => return Ok(replies),
                Err(error) if is_lost(&error) => {}
                Err(error) => return Err(away(&describe(&error))),
            }
            connection.give_up();
            self.end_of(&connection).await;
        }
        Err(away("its connection ends again and again"))
    }

    /// Gives up the connection if it owes an answer for so long.
    pub(crate) fn give_up_if_silent(&self, patience: Duration) {
        if let State::Connected(connection) = &*self.state.borrow()
            && connection.silent_for() >= patience
        {
            connection.give_up();
        }
    }

    /// Why it does not answer.
    pub(crate) fn trouble(&self) -> Option<RedisError> {
        match &*self.state.borrow() {
            State::Away(error) => Some(error.clone()),
            _ => None,
        }
    }

    /// Waits until it is known whether it answers.
    pub(crate) async fn settle(&self) {
        let _ = self.connection().await;
    }

    /// Whether anybody ever wanted anything of it.
    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(&*self.state.borrow(), State::Unwanted)
    }

    /// Whether its connection ended for a reply that is too long.
    pub(crate) fn was_cut(&self) -> bool {
        matches!(&*self.state.borrow(), State::Connected(connection) if connection.was_cut())
    }

    /// The connection; where one is being made, it is waited for.
    async fn connection(&self) -> RedisResult<Arc<Connection>> {
        let mut state = self.state.clone();
        if !self.is_wanted() {
            self.wanted.notify_one();
        }
        let is_settled = |state: &State| !matches!(state, State::Unwanted | State::Connecting);
        match state.wait_for(is_settled).await.as_deref() {
            Ok(State::Connected(connection)) => Ok(connection.clone()),
            Ok(State::Away(error)) => Err(away(&describe(error))),
            _ => Err(away("it is not kept any more")),
        }
    }

    /// Waits until another connection is being made.
    async fn end_of(&self, ended: &Arc<Connection>) {
        let mut state = self.state.clone();
        let is_over = |state: &State| !matches!(state, State::Connected(current) if Arc::ptr_eq(current, ended));
        // An error means that the node is not kept any more.
        let _ = state.wait_for(is_over).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// The task that makes a node's connections.
struct Keeper {
    address: NodeAddress,
    dialler: Arc<Dialler>,
    state: watch::Sender<State>,
    /// Whether the log has said that the node does not answer.
    is_told: bool,
}

impl Keeper {
    async fn keep(mut self, wanted: Arc<Notify>) {
        wanted.notified().await;
        self.enter(State::Connecting);
        let mut pause = FIRST_PAUSE;
        loop {
            match self.dial().await {
                Ok(connection) => {
                    if self.attend(connection).await {
                        pause = FIRST_PAUSE;
                        self.enter(State::Connecting);
                        continue;
                    }
                    self.note_trouble(io::Error::from(io::ErrorKind::ConnectionReset).into());
                }
                Err(error) => self.note_trouble(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Connects. Where that takes longer than commands wait, they are told so meanwhile.
    async fn dial(&mut self) -> RedisResult<Connection> {
        let (dialler, address) = (self.dialler.clone(), self.address.clone());
        let mut attempt = std::pin::pin!(dialler.dial(&address));
        if dialler.is_in_use.load(Ordering::Relaxed) {
            match tokio::time::timeout(dialler.url.timeout, &mut attempt).await {
                Ok(outcome) => return outcome,
                Err(_) => self.note_trouble(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        }
        attempt.await
    }

    /// Waits for the end of a connection; `false` where it came so soon that the next would end
    /// as soon.
    async fn attend(&mut self, connection: Connection) -> bool {
        if std::mem::take(&mut self.is_told) {
            info!("{} of {} answers again", self.address, self.dialler.url);
        }
        let connection = Arc::new(connection);
        let began = Instant::now();
        self.enter(State::Connected(connection.clone()));
        connection.ended().await;
        debug!("the connection to {} of {} has ended", self.address, self.dialler.url);
        self.dialler.was_cut.fetch_or(connection.was_cut(), Ordering::Relaxed);
        began.elapsed() >= SHORTEST_LIFE || connection.was_cut_in_use()
    }

    fn note_trouble(&mut self, error: RedisError) {
        if self.dialler.is_in_use.load(Ordering::Relaxed)
            && !std::mem::replace(&mut self.is_told, true)
        {
            let (address, url, reason) = (&self.address, &self.dialler.url, describe(&error));
            warn!(
                "{address} of {url} failed ({reason}); predictions with keys there go on without a cache"
            );
        }
        self.enter(State::Away(error));
    }

    fn enter(&self, state: State) {
        self.state.send_replace(state);
        self.dialler.changed.notify_one();
    }
}
