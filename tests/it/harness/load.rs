//! Clients that go on asking while something happens to the store, and what they saw.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::answer::says_hit;
use crate::harness::credit::SAMPLE;
use crate::harness::host::Host;

const CLIENTS: usize = 8;
/// Between two requests of a client: the load shall not hide what the store does.
const PAUSE: Duration = Duration::from_millis(2);
const PATHS: [&str; 3] = ["/decisions", "/probabilities", "/risk_categories"];
const EMPLOYMENTS: [&str; 4] =
    ["unemployed", "... < 1 year", "1 <= ... < 4 years", "4 <= ... < 7 years"];
/// Nobody listens there.
const NO_STORE: &str = "redis://127.0.0.1:1";

struct Question {
    path: &'static str,
    body: String,
    expected: String,
}

/// Clients at work, each on a connection that it keeps.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
    clients: Vec<JoinHandle<()>>,
}

/// A request and its answer.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) start: Instant,
    pub(crate) took: Duration,
    pub(crate) cache_status: String,
    /// What is wrong with the answer.
    wrong: Option<String>,
}

impl Seen {
    pub(crate) fn is_hit(&self) -> bool {
        says_hit(&self.cache_status)
    }
}

impl Load {
    pub(crate) fn start(host: &Host) -> Load {
        let questions = questions();
        let stop = Arc::new(AtomicBool::new(false));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let client = |number| {
            let (stop, seen, agent) = (stop.clone(), seen.clone(), host.agent().clone());
            let address = host.address.clone();
            std::thread::spawn(move || {
                let start = number * questions.len() / CLIENTS;
                for question in questions.iter().cycle().skip(start) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let answer = question.ask(&agent, &address);
                    seen.lock().unwrap().push(answer);
                    std::thread::sleep(PAUSE);
                }
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Load { stop, seen, clients }
    }

    /// Waits for a hit of a request sent after `since`, and returns how long it took to come.
    pub(crate) fn wait_for_hit(&self, since: Instant, limit: Duration) -> Duration {
        let later = |seen: &&Seen| seen.start >= since && seen.is_hit();
        loop {
            let seen = self.seen.lock().unwrap();
            if let Some(hit) = seen.iter().find(later) {
                return (hit.start + hit.took) - since;
            }
            let last = seen.last().map(|seen| (seen.cache_status.clone(), seen.wrong.clone()));
            drop(seen);
            assert!(since.elapsed() < limit, "no hit for {limit:?}; the last answer: {last:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops the clients, and returns what they saw, in no order.
    ///
    /// # Panics
    /// If any answer was a failure or wrong.
    pub(crate) fn stop(self) -> Vec<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let wrong: Vec<&String> = seen.iter().filter_map(|seen| seen.wrong.as_ref()).collect();
        assert!(wrong.is_empty(), "{} of {}, first: {}", wrong.len(), seen.len(), wrong[0]);
        seen
    }
}

impl Question {
    fn ask(&self, agent: &ureq::Agent, address: &str) -> Seen {
        let start = Instant::now();
        let request = agent.post(format!("{address}{}", self.path));
        let answer = request.content_type("application/json").send(&self.body);
        let (mut cache_status, mut wrong) = (String::new(), None);
        match answer.and_then(|mut answer| Ok((answer.body_mut().read_to_string()?, answer))) {
            Ok((body, answer)) => {
                if let Some(header) = answer.headers().get("cache-status") {
                    cache_status = header.to_str().unwrap().to_owned();
                }
                if answer.status() != 200 || body != self.expected {
                    let Question { path, body: request, expected } = self;
                    let status = answer.status();
                    wrong = Some(format!(
                        "{path} {request}: {status} {body} ({cache_status}), not {expected}"
                    ));
                }
            }
            Err(error) => wrong = Some(format!("{} {}: {error}", self.path, self.body)),
        }
        Seen { start, took: start.elapsed(), cache_status, wrong }
    }
}

/// What the clients ask, with the answers of a host that has no store.
fn questions() -> &'static [Question] {
    static QUESTIONS: OnceLock<Vec<Question>> = OnceLock::new();
    QUESTIONS.get_or_init(|| {
        let host = Host::credit(&["--store", NO_STORE]);
        let rows = (18..=127).flat_map(|age| {
            EMPLOYMENTS.map(|employment| {
                SAMPLE.replace("30", &age.to_string()).replace("unemployed", employment)
            })
        });
        let question = |(number, body): (usize, String)| {
            let path = PATHS[number % PATHS.len()];
            let answer = host.post(path, &body);
            assert_eq!(answer.status, 200, "{}", answer.body);
            let status = "foretold; fwd=miss; detail=store-unavailable";
            assert_eq!(answer.header("cache-status"), status);
            Question { path, body, expected: answer.body }
        };
        let all = rows.flat_map(|row| PATHS.map(|_| row.clone()));
        all.enumerate().map(question).collect()
    })
}
