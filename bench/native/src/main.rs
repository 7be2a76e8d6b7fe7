//! The ceiling: what a hand-written Rust service gives for the same request, without a model.
//!
//! `POST /decisions` parses the request and answers ACCEPT, as the model does for the sample. Usage:
//! `native-peer ADDRESS:PORT none`, which keeps nothing; `… redis URL`, which reads the answer from
//! Redis; `… near URL`, which looks into a cache of its own before.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::serve::ListenerExt;
use axum::{Json, Router, routing::post};
use quick_cache::{Weighter, sync::Cache};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

const TTL_SECONDS: u64 = 3600;
/// Nobody tells this cache of changes in Redis, so what it has may be so old.
const NEAR_TTL: Duration = Duration::from_secs(60);
const NEAR_BYTES: u64 = 64 << 20;
/// What is taken besides key and answer: two heap blocks, and the place in the table.
const NEAR_OVERHEAD_BYTES: usize = 160;

#[derive(serde::Deserialize, Debug)]
#[allow(dead_code, reason = "read by Debug alone")]
struct Request {
    installment_rate_in_percentage_of_disposable_income: f64,
    age_in_years: u32,
    foreign_worker: String,
    present_employment_since: String,
    personal_status_and_sex: String,
}

#[derive(serde::Serialize)]
struct Response {
    decision: String,
}

#[derive(Clone)]
struct Near {
    redis: MultiplexedConnection,
    cache: std::sync::Arc<Cache<String, (String, Instant), Bytes>>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<String, (String, Instant)> for Bytes {
    fn weight(&self, key: &String, (decision, _): &(String, Instant)) -> u64 {
        (key.len() + decision.len() + NEAR_OVERHEAD_BYTES) as u64
    }
}

async fn alone(Json(_): Json<Request>) -> Json<Response> {
    Json(Response { decision: predict() })
}

async fn with_redis(
    State(redis): State<MultiplexedConnection>,
    Json(request): Json<Request>,
) -> Json<Response> {
    Json(Response { decision: from_redis(redis, &format!("{request:?}")).await })
}

async fn with_near_cache(State(near): State<Near>, Json(request): Json<Request>) -> Json<Response> {
    let key = format!("{request:?}");
    if let Some((decision, _)) =
        near.cache.get(&key).filter(|(_, deadline)| *deadline > Instant::now())
    {
        return Json(Response { decision });
    }
    let decision = from_redis(near.redis, &key).await;
    near.cache.insert(key, (decision.clone(), Instant::now() + NEAR_TTL));
    Json(Response { decision })
}

async fn from_redis(mut redis: MultiplexedConnection, key: &str) -> String {
    let value: Option<String> = redis.get(key).await.unwrap();
    if let Some(decision) = value {
        return decision;
    }
    let decision = predict();
    let () = redis.set_ex(key, &decision, TTL_SECONDS).await.unwrap();
    decision
}

fn predict() -> String {
    "ACCEPT".into()
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (listen, router) = match arguments[..] {
        [listen, "none"] => (listen, Router::new().route("/decisions", post(alone))),
        [listen, "redis", url] => (
            listen,
            Router::new().route("/decisions", post(with_redis)).with_state(connect(url).await),
        ),
        [listen, "near", url] => {
            let cache = Cache::with_weighter(NEAR_BYTES as usize / 256, NEAR_BYTES, Bytes).into();
            let near = Near { redis: connect(url).await, cache };
            (listen, Router::new().route("/decisions", post(with_near_cache)).with_state(near))
        }
        _ => panic!("usage: native-peer ADDRESS:PORT none | redis URL | near URL"),
    };
    let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.unwrap();
}

async fn connect(url: &str) -> MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}
