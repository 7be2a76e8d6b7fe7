//! `GET /metrics` on a listener of its own, so that clients who may ask for predictions need not
//! see the counts.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tracing::debug;

use crate::serve::accept::{self, Connection, Gate};
use crate::serve::bounds::ConnectionBounds;
use crate::serve::metrics::counts::Metrics;
use crate::serve::metrics::text;

/// A listener that does not answer yet.
pub(crate) struct MetricsListener {
    listener: TcpListener,
    bounds: ConnectionBounds,
}

/// Connections there may be: more than scrapers have.
const MAX_CONNECTIONS: usize = 32;

impl MetricsListener {
    /// Listens at an address; port 0 takes any free one. Clients have as much time as those who ask
    /// for predictions.
    ///
    /// # Errors
    /// If the address is taken or not this machine's.
    pub(crate) async fn bind(
        listen: SocketAddr,
        bounds: ConnectionBounds,
    ) -> Result<MetricsListener> {
        let listener = TcpListener::bind(listen).await;
        let listener =
            listener.with_context(|| format!("cannot listen on {listen} for metrics"))?;
        let bounds = ConnectionBounds {
            max_connections: MAX_CONNECTIONS,
            max_connections_per_address: MAX_CONNECTIONS,
            ..bounds
        };
        Ok(MetricsListener { listener, bounds })
    }

    /// The address it listens at.
    ///
    /// # Errors
    /// If the operating system does not say.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Answers scrapes until the process ends.
    pub(crate) async fn run(self, metrics: Arc<Metrics>) {
        // What is counted is what those meet who ask for predictions.
        let gate = Gate::new(self.bounds, Arc::default());
        loop {
            serve_connection(gate.accept(&self.listener).await, metrics.clone());
        }
    }
}

fn serve_connection(connection: Connection, metrics: Arc<Metrics>) {
    let Connection { stream, exchange, place } = connection;
    let service = service_fn(move |request| {
        exchange.begin();
        let response = respond(&request, &metrics);
        let response = response.map(|body| exchange.answer(body, None, false));
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = accept::http().serve_connection(TokioIo::new(stream), service);
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = connection.await {
            debug!("a connection for metrics ended: {error}");
        }
    });
}

fn respond(request: &Request<Incoming>, metrics: &Arc<Metrics>) -> Response<Full<Bytes>> {
    let plain = |status, text: &str| {
        let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
        *response.status_mut() = status;
        let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    };
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "there is only /metrics here\n");
    }
    if request.method() != Method::GET {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    let mut response = plain(StatusCode::OK, &metrics.text());
    let content_type = HeaderValue::from_static(text::CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
