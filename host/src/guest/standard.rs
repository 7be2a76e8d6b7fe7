//! The standard handler, `wasi:http/incoming-handler`: for components without the lean one.
//!
//! As under Spin and `wasmtime serve`, every request gets a fresh instance.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::header::CONTENT_LENGTH;
use wasmtime::{Result, Store, format_err};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use crate::guest::contract::{self, Report, ResponseHeader};

/// Answers one request with an instance of its own. What the component writes to its standard error
/// is for the log.
pub(crate) async fn handle<T: WasiHttpView + Send + 'static>(
    proxy: &ProxyPre<T>,
    mut store: Store<T>,
    stderr: &MemoryOutputPipe,
    request: contract::Request<'_>,
    max_body_bytes: usize,
) -> Result<contract::Response> {
    let mut http = Request::builder()
        .method(request.method)
        .uri(format!("http://localhost{}", request.target));
    for header in request.headers {
        http = http.header(header.name, header.value);
    }
    let http = http.body(Full::new(Bytes::copy_from_slice(request.body)))?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let incoming = store.data_mut().http().new_incoming_request(Scheme::Http, http)?;
    let out = store.data_mut().http().new_response_outparam(sender)?;
    let handling = async {
        let instance = proxy.instantiate_async(&mut store).await?;
        instance.wasi_http_incoming_handler().call_handle(&mut store, incoming, out).await
    };
    let reading = async {
        let Ok(response) = receiver.await else { return Ok(None) };
        let response = response.map_err(|code| format_err!("it answers with {code:?}"))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, max_body_bytes).collect().await;
        let body = body.map_err(|error| format_err!("its answer broke off: {error}"))?;
        Ok::<_, wasmtime::Error>(Some((head, body.to_bytes())))
    };
    // After a trap nobody sends a response any more.
    let ((), read) = tokio::try_join!(handling, reading)?;
    let (head, body) = read.ok_or_else(|| format_err!("it gave no response"))?;
    // The host says the length itself.
    let headers = head.headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH);
    let headers = headers.map(|(name, value)| ResponseHeader {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    });
    let log = stderr.contents();
    let log = String::from_utf8_lossy(&log).trim_end().to_owned();
    Ok(contract::Response {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body: body.into(),
        log: Some(log).filter(|log| !log.is_empty()),
        report: Report::default(),
        reuse: None,
    })
}
