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
use tokio::net::{TcpListener, TcpStream};
use tracing::debug;

use crate::serve::accept;
use crate::serve::metrics::Metrics;
use crate::serve::metrics::text;

/// A listener that does not answer yet.
pub(crate) struct MetricsListener {
    listener: TcpListener,
}

impl MetricsListener {
    /// Listens at an address; port 0 takes any free one.
    ///
    /// # Errors
    /// If the address is taken or not this machine's.
    pub(crate) async fn bind(listen: SocketAddr) -> Result<MetricsListener> {
        let listener = TcpListener::bind(listen).await;
        let listener =
            listener.with_context(|| format!("cannot listen on {listen} for metrics"))?;
        Ok(MetricsListener { listener })
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
        loop {
            serve_connection(accept::accept(&self.listener).await, metrics.clone());
        }
    }
}

fn serve_connection(stream: TcpStream, metrics: Arc<Metrics>) {
    let service = service_fn(move |request| {
        let response = respond(&request, &metrics);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = accept::http().serve_connection(TokioIo::new(stream), service);
    tokio::spawn(async move {
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
