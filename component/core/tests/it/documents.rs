//! What a service says of itself, and how a client asks for it.

use std::io::{Read, Write};

use flate2::read::GzDecoder;
use foretold_core::http::{Headers, Request, Response};
use serde_json::{Value, json};

use crate::world::{World, body, header};

fn get<'a>(path: &'a str, headers: Headers<'a>) -> Request<'a> {
    Request { method: "GET", target: path, headers, body: b"", bypass_store: false }
}

fn document(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", body(response));
    serde_json::from_slice(&response.body).unwrap()
}

fn plain(world: &World, path: &str) -> Response {
    world.answer(&get(path, Headers::default()))
}

#[test]
fn health_says_whether_the_store_answers_and_never_fails() {
    let world = World::default();
    assert_eq!(document(&plain(&world, "/healthz")), json!({ "status": "alive" }));
    let ready = json!({ "status": "ready", "model": "credit", "store": "available" });
    assert_eq!(document(&plain(&world, "/readyz")), ready);
    world.store.fails.set(true);
    let degraded = json!({ "status": "degraded", "model": "credit", "store": "unavailable" });
    assert_eq!(document(&plain(&world, "/readyz")), degraded);
    assert_eq!(document(&plain(&world, "/healthz")), json!({ "status": "alive" }));
    assert!(world.store.entries.borrow().is_empty());
}

#[test]
fn every_path_of_the_openapi_document_is_there_and_answers_as_it_says() {
    let world = World::default();
    let openapi = document(&plain(&world, "/openapi.json"));
    for (path, operations) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase();
            let example = &operation["requestBody"]["content"]["application/json"]["examples"];
            let request = example["one"]["value"].to_string();
            let request = if method == "GET" { String::new() } else { request };
            let response = world.send(&method, path, None, &request);
            assert_eq!(response.status, 200, "{method} {path}: {}", body(&response));
            let answers = &operation["responses"]["200"]["content"]["application/json"]["examples"];
            for name in ["one", "answer"] {
                if let Some(answer) = answers.get(name) {
                    assert_eq!(document(&response), answer["value"], "{method} {path}");
                }
            }
            let options = world.send("OPTIONS", path, None, "");
            assert_eq!((options.status, &*options.body), (204, &b""[..]));
            let allow = header(&options, "allow").unwrap();
            assert!(allow.split(", ").any(|known| known == method), "{path}: {allow}");
            let refused = world.send("PATCH", path, None, "");
            assert_eq!((refused.status, header(&refused, "allow")), (405, Some(allow)));
        }
    }
}

#[test]
fn the_array_example_of_the_document_is_real_too() {
    let world = World::default();
    let openapi = document(&plain(&world, "/openapi.json"));
    for path in ["/decisions", "/predictions"] {
        let operation = &openapi["paths"][path]["post"];
        let example = |at: &Value| at["application/json"]["examples"]["array"]["value"].clone();
        let request = example(&operation["requestBody"]["content"]).to_string();
        let response = world.send("POST", path, None, &request);
        assert_eq!(document(&response), example(&operation["responses"]["200"]["content"]));
    }
}

#[test]
fn a_browser_gets_a_page_and_a_program_an_index() {
    let world = World::default();
    let index = document(&plain(&world, "/"));
    assert_eq!(index["name"], "credit");
    let browser = Headers { accept: Some("text/html,*/*;q=0.8"), ..Headers::default() };
    let page = world.answer(&get("/", browser));
    assert_eq!(header(&page, "content-type"), Some("text/html; charset=utf-8"));
    assert!(header(&page, "content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(header(&page, "vary").unwrap().split(", ").any(|name| name == "accept"));
    assert!(body(&page).contains("<html"));
    let again = Headers { if_none_match: header(&page, "etag"), ..browser };
    let again = world.answer(&get("/", again));
    assert_eq!((again.status, &*again.body), (304, &b""[..]));
}

#[test]
fn all_files_that_the_pages_name_are_there() {
    let world = World::default();
    let browser = Headers { accept: Some("text/html"), ..Headers::default() };
    for path in ["/", "/docs"] {
        let page = world.answer(&get(path, browser));
        let html = body(&page);
        let names: Vec<&str> =
            html.split("docs/").skip(1).filter_map(|r| r.split('"').next()).collect();
        assert!(names.len() >= 2, "{path}: {names:?}");
        for name in names {
            let response = plain(&world, &format!("/docs/{name}"));
            assert_eq!(response.status, 200, "{path}: {name}");
        }
    }
    assert_eq!(plain(&world, "/docs/none.js").status, 404);
}

#[test]
fn what_was_compressed_beforehand_is_sent_so_to_those_who_take_it() {
    let world = World::default();
    let path = "/docs/swagger-ui-bundle.js";
    let gzip = Headers { accept_encoding: Some("gzip"), ..Headers::default() };
    let compressed = world.answer(&get(path, gzip));
    assert_eq!(header(&compressed, "content-encoding"), Some("gzip"));
    let mut inflated = Vec::new();
    GzDecoder::new(&*compressed.body).read_to_end(&mut inflated).unwrap();
    let plain = plain(&world, path);
    assert_eq!(header(&plain, "content-encoding"), None);
    assert!(plain.body == inflated && inflated.len() > compressed.body.len());
    assert_ne!(header(&plain, "etag"), header(&compressed, "etag"));
}

#[test]
fn what_a_client_does_not_accept_gets_406() {
    let world = World::default();
    for (path, accept, status) in [
        ("/openapi.json", "text/html", 406),
        ("/openapi.json", "application/*", 200),
        ("/docs", "application/json", 406),
        ("/", "image/png", 406),
        ("/", "text/*", 200),
        ("/healthz", "application/json;q=0", 406),
    ] {
        let headers = Headers { accept: Some(accept), ..Headers::default() };
        let response = world.answer(&get(path, headers));
        assert_eq!(response.status, status, "{path} {accept}");
        if status == 406 {
            let problem: Value = serde_json::from_slice(&response.body).unwrap();
            assert!(problem["detail"].as_str().unwrap().contains(accept), "{problem}");
        }
    }
}

#[test]
fn other_origins_may_ask_only_where_the_operator_says_so() {
    let mut world = World::default();
    let origin = Headers { origin: Some("https://example.com"), ..Headers::default() };
    let preflight = Headers { access_control_request_method: Some("POST"), ..origin };
    let ask = |world: &World| {
        [
            world.answer(&get("/healthz", origin)),
            world.answer(&Request { method: "OPTIONS", ..get("/decisions", preflight) }),
            // Errors are for the page, too.
            world.answer(&get("/nowhere", origin)),
        ]
    };
    let allowed = "access-control-allow-origin";
    for response in ask(&world) {
        assert!(response.headers.iter().all(|header| !header.name.starts_with("access-control")));
    }
    world.settings.cors = vec!["https://other.example".to_owned()];
    for response in ask(&world) {
        assert_eq!(header(&response, allowed), None);
        assert_eq!(header(&response, "vary"), Some("origin"));
    }
    world.settings.cors.push("https://example.com".to_owned());
    for response in ask(&world) {
        assert_eq!(header(&response, allowed), Some("https://example.com"));
    }
    world.settings.cors = vec!["*".to_owned()];
    let [simple, preflight, _] = ask(&world);
    assert_eq!(header(&simple, allowed), Some("*"));
    assert!(header(&simple, "access-control-expose-headers").unwrap().contains("cache-status"));
    assert_eq!(preflight.status, 204);
    let methods = header(&preflight, "access-control-allow-methods");
    assert_eq!(methods, Some("POST, QUERY, OPTIONS"));
    let headers = header(&preflight, "access-control-allow-headers").unwrap();
    assert!(headers.contains("content-type"), "{headers}");
}

#[test]
fn long_answers_are_compressed_and_short_ones_are_not() {
    let world = World::default();
    let row = crate::SAMPLE;
    let rows = format!("[{}]", vec![row; 100].join(","));
    let gzip = Headers { accept_encoding: Some("gzip"), ..Headers::default() };
    let request = |body| Request { method: "POST", body, ..get("/probabilities", gzip) };
    let long = world.answer(&request(rows.as_bytes()));
    assert_eq!(header(&long, "content-encoding"), Some("gzip"));
    assert_eq!(header(&long, "vary"), Some("accept-encoding"));
    let mut inflated = String::new();
    GzDecoder::new(&*long.body).read_to_string(&mut inflated).unwrap();
    let plain = world.send("POST", "/probabilities", None, &rows);
    assert_eq!(inflated, body(&plain));
    assert_ne!(header(&plain, "etag"), header(&long, "etag"));
    let short = world.answer(&request(row.as_bytes()));
    assert_eq!(header(&short, "content-encoding"), None);
}

#[test]
fn compressed_requests_are_read_and_wrong_ones_refused() {
    let world = World::default();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(crate::SAMPLE.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(crate::SAMPLE.as_bytes()).unwrap();
    let zlib = zlib.finish().unwrap();
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 5 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    let nothing = nothing_compressed();
    for (encoding, body, status) in [
        ("gzip", &gzip[..], 200),
        ("deflate", &zlib, 200),
        ("identity", crate::SAMPLE.as_bytes(), 200),
        ("gzip", &zlib, 400),
        ("gzip", &gzip[..20], 400),
        ("br", &gzip, 415),
        ("gzip", &bomb, 413),
        ("gzip", &[&*gzip, b"garbage"].concat(), 400),
        ("gzip", &[&*nothing.repeat(999), &*gzip].concat(), 200),
    ] {
        let headers = Headers { content_encoding: Some(encoding), ..Headers::default() };
        let request = Request { method: "POST", body, ..get("/decisions", headers) };
        assert_eq!(world.answer(&request).status, status, "{encoding}, {} bytes", body.len());
    }
}

fn nothing_compressed() -> Vec<u8> {
    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()).finish().unwrap()
}

#[test]
fn a_body_of_a_great_many_empty_members_is_not_read_to_its_end() {
    let body = nothing_compressed().repeat(200_000);
    let headers = Headers { content_encoding: Some("gzip"), ..Headers::default() };
    let request = Request { method: "POST", body: &body, ..get("/decisions", headers) };
    let response = World::default().answer(&request);
    let text = std::str::from_utf8(&response.body).unwrap();
    assert!(text.contains("the body has more than 1000 gzip members"), "{text}");
    assert_eq!(response.status, 400);
}

#[test]
fn a_tag_is_that_of_the_bytes_that_are_sent() {
    let world = World::default();
    let gzip = Headers { accept_encoding: Some("gzip"), ..Headers::default() };
    for path in ["/openapi.json", "/docs/index.js", "/docs/swagger-ui.css"] {
        let [plain, compressed] = [Headers::default(), gzip].map(|headers| {
            let first = world.answer(&get(path, headers));
            let if_none_match = header(&first, "etag");
            let again = world.answer(&get(path, Headers { if_none_match, ..headers }));
            assert_eq!((again.status, &*again.body), (304, &b""[..]), "{path}");
            assert_eq!(header(&again, "etag"), if_none_match, "{path}");
            assert!(header(&again, "vary").unwrap().contains("accept-encoding"), "{path}");
            if_none_match.unwrap().to_owned()
        });
        assert_ne!(plain, compressed, "{path}");
    }
}

#[test]
fn names_in_the_document_are_distinct() {
    let text = include_str!("../../../../models/credit/manifest.toml");
    let text = text.replace("/decisions", "/a.b-c").replace("/probabilities", "/a_b_c");
    let manifest = foretold_core::model::manifest::Manifest::parse(&text).unwrap();
    let world = World { manifest, ..World::default() };
    let openapi = document(&plain(&world, "/openapi.json"));
    let id = |path: &str| openapi["paths"][path]["post"]["operationId"].clone();
    assert_eq!((id("/a.b-c"), id("/a_b_c")), (json!("post_a_b_c"), json!("post_a_b_c2")));
    let schemas = &openapi["components"]["schemas"];
    assert!(schemas["ABCAnswer"]["properties"].get("decision").is_some(), "{schemas}");
    assert!(schemas["ABCAnswer2"]["properties"].get("probability").is_some(), "{schemas}");
}
