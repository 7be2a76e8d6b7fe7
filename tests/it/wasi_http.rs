//! The standard handler under a plain host of wasi:http, which knows nothing of Foretold: the same
//! as `wasmtime serve -Scli -Skeyvalue`, with a fresh instance and an empty store for each request.

use std::sync::OnceLock;

use bytes::Bytes;
use foretold::Target;
use foretold_core::http::MAX_BODY_BYTES;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};
use wasmtime_wasi_keyvalue::{WasiKeyValue, WasiKeyValueCtx};

use crate::harness::answer::Answer;
use crate::harness::credit::SAMPLE;
use crate::http_suite::baked;

/// The environment that names the only store that this host has.
const STORE: (&str, &str) = ("FORETOLD_STORE", "");

struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoRequests,
    keyvalue: WasiKeyValueCtx,
    resources: ResourceTable,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Guest { http, hooks, resources, .. } = self;
        WasiHttpCtxView { ctx: http, table: resources, hooks }
    }
}

/// The component answers requests; it sends none.
struct NoRequests;

type Pending<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

impl WasiHttpHooks for NoRequests {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Pending<()>,
    ) -> Pending<(Response<WasiBody>, Pending<()>)> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

/// The credit model in a component, compiled once for all tests.
struct PlainHost {
    runtime: Runtime,
    pre: ProxyPre<Guest>,
}

/// What a request gets.
struct Outcome {
    answer: Answer,
    /// What the component wrote to its standard error.
    log: String,
}

fn plain_host() -> &'static PlainHost {
    static HOST: OnceLock<PlainHost> = OnceLock::new();
    HOST.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let engine = Engine::default();
        let component = Component::from_file(&engine, baked(Target::Edge)).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();
        wasmtime_wasi_keyvalue::add_to_linker(&mut linker, |guest: &mut Guest| {
            WasiKeyValue::new(&guest.keyvalue, &mut guest.resources)
        })
        .unwrap();
        let pre = ProxyPre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
        PlainHost { runtime, pre }
    })
}

impl PlainHost {
    fn send(&self, environment: &[(&str, &str)], request: Request<Full<Bytes>>) -> Outcome {
        self.runtime.block_on(self.handle(environment, request))
    }

    async fn handle(&self, environment: &[(&str, &str)], request: Request<Full<Bytes>>) -> Outcome {
        let log = MemoryOutputPipe::new(1 << 16);
        let guest = Guest {
            wasi: WasiCtx::builder().envs(environment).stderr(log.clone()).build(),
            http: WasiHttpCtx::new(),
            hooks: NoRequests,
            keyvalue: WasiKeyValueCtx::builder().build(),
            resources: ResourceTable::new(),
        };
        let mut store = Store::new(self.pre.engine(), guest);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let request = store.data_mut().http().new_incoming_request(Scheme::Http, request).unwrap();
        let out = store.data_mut().http().new_response_outparam(sender).unwrap();
        let handling = async {
            let proxy = self.pre.instantiate_async(&mut store).await.unwrap();
            let handler = proxy.wasi_http_incoming_handler();
            handler.call_handle(&mut store, request, out).await.unwrap();
        };
        let reading = async {
            let response = receiver.await.expect("the component sets a response").unwrap();
            let (head, body) = response.into_parts();
            (head, body.collect().await.unwrap().to_bytes())
        };
        let ((), (head, body)) = tokio::join!(handling, reading);
        let body = String::from_utf8(body.into()).unwrap();
        let answer = Answer { status: head.status.as_u16(), headers: head.headers, body };
        Outcome { answer, log: String::from_utf8(log.contents().into()).unwrap() }
    }
}

/// Serves the component on a free port for as long as the tests run; the address is `http://…`.
pub(crate) fn serve() -> String {
    let host = plain_host();
    let listener = host.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    host.runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(respond));
            tokio::spawn(connection);
        }
    });
    format!("http://{address}")
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (mut head, body) = request.into_parts();
    head.uri = format!("http://localhost{}", head.uri).parse::<Uri>().unwrap();
    let body = Full::new(body.collect().await?.to_bytes());
    let Outcome { answer, .. } =
        plain_host().handle(&[STORE], Request::from_parts(head, body)).await;
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = answer.status.try_into().unwrap();
    *response.headers_mut() = answer.headers;
    Ok(response)
}

/// A request with a content type, unless that is empty.
fn request(method: &str, path: &str, content_type: &str, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(format!("http://localhost{path}"));
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

fn post(path: &str, body: &str) -> Request<Full<Bytes>> {
    request("POST", path, "application/json", body)
}

#[test]
fn a_prediction_is_computed_and_stored() {
    let Outcome { answer, log } = plain_host().send(&[STORE], post("/decisions", SAMPLE));
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"decision":"ACCEPT"}"#));
    assert_eq!(answer.header("cache-status"), "foretold; fwd=miss; stored");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert!(answer.header("server-timing").contains(", model;dur="), "{answer:?}");
    assert_eq!(log, "");
}

#[test]
fn a_host_without_the_store_still_gets_predictions() {
    for environment in [&[][..], &[("FORETOLD_STORE", "elsewhere")]] {
        let Outcome { answer, .. } = plain_host().send(environment, post("/decisions", SAMPLE));
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"decision":"ACCEPT"}"#));
        assert_eq!(
            answer.header("cache-status"),
            "foretold; fwd=miss; detail=store-unavailable",
            "{environment:?}"
        );
    }
}

#[test]
fn a_time_to_live_that_is_none_gets_500_and_says_so_in_the_log() {
    for ttl in ["abc", "0", "-1", "1.5", "4294967296"] {
        let environment = [STORE, ("FORETOLD_TTL_SECONDS", ttl)];
        let Outcome { answer, log } = plain_host().send(&environment, post("/decisions", SAMPLE));
        assert_eq!(answer.status, 500, "{ttl:?}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["type"], "urn:foretold:problem:component-failed");
        assert!(!answer.body.contains("FORETOLD"), "{}", answer.body);
        let expected = format!("FORETOLD_TTL_SECONDS: {ttl:?} is not a time to live");
        assert!(log.contains(&expected), "{log}");
    }
    let environment = [STORE, ("FORETOLD_TTL_SECONDS", "60")];
    let Outcome { answer, .. } = plain_host().send(&environment, post("/decisions", SAMPLE));
    assert_eq!(answer.status, 200);
}

#[test]
fn a_body_over_4_mib_gets_413() {
    let padded = |length| format!("{SAMPLE}{}", " ".repeat(length - SAMPLE.len()));
    let send = |length| plain_host().send(&[STORE], post("/decisions", &padded(length))).answer;
    let longest = send(MAX_BODY_BYTES);
    assert_eq!((longest.status, longest.body.as_str()), (200, r#"{"decision":"ACCEPT"}"#));
    for length in [MAX_BODY_BYTES + 1, 2 * MAX_BODY_BYTES] {
        let answer = send(length);
        assert_eq!(answer.status, 413, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.json()["detail"].as_str().unwrap().contains("4194304 bytes"));
    }
}
