//! Look-ups that are ready together go to the server together.
//!
//! Each by itself would be a write to the socket, a reply to be waited for and a timer, which cost
//! more than the look-up. So the first lets all others go on that can, and takes along what they
//! ask for until it is its turn again. Nobody waits for a time: where nobody else asks, it goes on
//! at once.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::store::backend::StoreError;

/// What a look-up gives.
pub(super) type Found = Result<Option<Bytes>, StoreError>;

/// Look-ups that are waiting for the first of them to take them along.
pub(super) struct Gathering {
    batch: Mutex<Option<Batch>>,
    max_keys: usize,
}

/// Look-ups behind a first one, which is not among them.
struct Batch {
    time_to_live: Duration,
    others: Vec<Other>,
}

/// A look-up that somebody else takes along.
pub(super) struct Other {
    pub(super) key: String,
    /// Where nothing comes, it goes alone.
    pub(super) found: oneshot::Sender<Found>,
}

/// What a look-up has to do.
pub(super) enum Turn {
    /// Let others go on, then look up its own key and theirs.
    First(First),
    /// Wait for the first.
    Along(oneshot::Receiver<Found>),
    /// Go alone: the others are too many, or of another kind.
    Alone,
}

/// Who takes others along. Dropped before it does, it leaves them to themselves.
pub(super) struct First(Option<Arc<Gathering>>);

impl Gathering {
    /// With so many keys at once at most.
    pub(super) fn new(max_keys: usize) -> Arc<Gathering> {
        Arc::new(Gathering { batch: Mutex::new(None), max_keys })
    }

    /// Joins those who ask at this moment.
    pub(super) fn join(self: &Arc<Gathering>, key: &str, time_to_live: Duration) -> Turn {
        let mut batch = self.batch();
        match &mut *batch {
            None => {
                *batch = Some(Batch { time_to_live, others: Vec::new() });
                Turn::First(First(Some(self.clone())))
            }
            Some(Batch { time_to_live: theirs, others })
                if *theirs == time_to_live && others.len() + 1 < self.max_keys =>
            {
                let (sender, found) = oneshot::channel();
                others.push(Other { key: key.to_owned(), found: sender });
                Turn::Along(found)
            }
            Some(_) => Turn::Alone,
        }
    }

    fn batch(&self) -> MutexGuard<'_, Option<Batch>> {
        self.batch.lock().expect("nobody panics while holding it")
    }
}

impl First {
    /// Those who have asked meanwhile, once all have that can.
    pub(super) async fn others(mut self) -> Vec<Other> {
        tokio::task::yield_now().await;
        self.take()
    }

    fn take(&mut self) -> Vec<Other> {
        let batch = self.0.take().and_then(|gathering| gathering.batch().take());
        batch.map_or_else(Vec::new, |batch| batch.others)
    }
}

impl Drop for First {
    fn drop(&mut self) {
        self.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn first(gathering: &Arc<Gathering>) -> First {
        match gathering.join("first", TTL) {
            Turn::First(first) => first,
            Turn::Along(_) | Turn::Alone => panic!("somebody else is the first"),
        }
    }

    #[tokio::test]
    async fn who_asks_meanwhile_is_taken_along() {
        let gathering = Gathering::new(3);
        let leader = first(&gathering);
        let Turn::Along(found) = gathering.join("second", TTL) else { panic!("not along") };
        assert!(matches!(gathering.join("other", 2 * TTL), Turn::Alone), "of another kind");
        let Turn::Along(_given_up) = gathering.join("third", TTL) else { panic!("not along") };
        assert!(matches!(gathering.join("fourth", TTL), Turn::Alone), "too many");
        let others = leader.others().await;
        assert_eq!(others.iter().map(|other| &*other.key).collect::<Vec<_>>(), ["second", "third"]);
        drop(first(&gathering));
        for other in others {
            let _ = other.found.send(Ok(Some(Bytes::from(other.key))));
        }
        assert_eq!(found.await.unwrap().unwrap().unwrap(), "second");
    }

    #[tokio::test]
    async fn a_first_that_is_given_up_leaves_the_others_to_themselves() {
        let gathering = Gathering::new(9);
        let leader = first(&gathering);
        let Turn::Along(found) = gathering.join("second", TTL) else { panic!("not along") };
        drop(leader);
        assert!(found.await.is_err());
        let leader = first(&gathering);
        let Turn::Along(found) = gathering.join("second", TTL) else { panic!("not along") };
        drop(leader.others().await);
        assert!(found.await.is_err());
    }
}
