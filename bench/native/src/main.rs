//! The ceiling: what a hand-written Rust service gives for the same request.
//!
//! `/decisions` reads the answer from Redis, `/hello` answers at once. Usage:
//! `native-peer ADDRESS:PORT REDIS_URL`.

use axum::extract::State;
use axum::serve::ListenerExt;
use axum::{Json, Router, routing::post};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

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

async fn hello(Json(_): Json<Request>) -> Json<Response> {
    Json(Response { decision: "ACCEPT".into() })
}

async fn decisions(
    State(mut redis): State<MultiplexedConnection>,
    Json(request): Json<Request>,
) -> Json<Response> {
    let key = format!("{request:?}");
    let value: Option<String> = redis.get(&key).await.unwrap();
    if let Some(decision) = value {
        return Json(Response { decision });
    }
    let () = redis.set_ex(&key, "ACCEPT", 3600).await.unwrap();
    Json(Response { decision: "ACCEPT".into() })
}

#[tokio::main]
async fn main() {
    let [_, listen, url] = std::env::args().collect::<Vec<_>>().try_into().unwrap();
    let client = redis::Client::open(url).unwrap();
    let redis = client.get_multiplexed_async_connection().await.unwrap();
    let router =
        Router::new().route("/decisions", post(decisions)).route("/hello", post(hello)).with_state(redis);
    let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.unwrap();
}
