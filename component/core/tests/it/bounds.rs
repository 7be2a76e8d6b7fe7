//! What hostile requests cost: memory while they are answered, and the bytes of the answer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use foretold_core::http::{Headers, Request, Response};
use foretold_core::model::manifest::Manifest;
use serde_json::Value as Json;

use crate::world::{World, body, post};

const INFER: &str = "/v2/models/credit/infer";

/// Counts what each thread holds, so that tests beside this one do not matter.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends has none any more.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: it hands all calls on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The response, and the most bytes that making it took at once.
fn answer(world: &World, request: &Request<'_>) -> (Response, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let response = world.answer(request);
    (response, (PEAK.get() - before) as usize)
}

/// A text again and again, about so many bytes, with commas between.
fn repeated(item: &str, bytes: usize) -> String {
    vec![item; bytes / (item.len() + 1)].join(",")
}

fn is_problem(response: &Response) -> bool {
    response.status >= 400
}

#[test]
fn what_does_not_count_takes_no_memory_beyond_the_body() {
    const BYTES: usize = 2 << 20;
    let nested = repeated(r#"{"":0}"#, BYTES);
    let parameters = format!(r#"{{"a":[{nested}]}}"#);
    let input = r#""name":"age_in_years","shape":[1],"datatype":"INT64""#;
    let escaped = r"\u00e9".repeat(BYTES / 6);
    for (target, body) in [
        (INFER, format!(r#"{{"parameters":{parameters},"inputs":[]}}"#)),
        (INFER, format!(r#"{{"inputs":[{{{input},"data":[7],"parameters":{parameters}}}]}}"#)),
        (INFER, format!(r#"{{"inputs":[],"outputs":[{{"name":"x","parameters":{parameters}}}]}}"#)),
        (INFER, format!(r#"{{"x":[{nested}],"inputs":[]}}"#)),
        (INFER, format!(r#"{{"inputs":[{{{input},"data":[{}]}}]}}"#, repeated("1", BYTES))),
        (INFER, format!(r#"{{"inputs":[{{{input},"data":[{}]}}]}}"#, repeated("[1]", BYTES))),
        (INFER, format!(r#"{{"inputs":[{{{input},"data":[[{}]]}}]}}"#, repeated("1", BYTES))),
        (INFER, format!(r#"{{"inputs":[{}]}}"#, repeated(&format!("{{{input}}}"), BYTES))),
        (INFER, format!(r#"{{"inputs":[],"outputs":[{}]}}"#, repeated(r#"{"name":"x"}"#, BYTES))),
        (
            INFER,
            format!(
                r#"{{"inputs":[{{"name":"","shape":[{}],"datatype":""}}]}}"#,
                repeated("1", BYTES)
            ),
        ),
        ("/decisions", format!("[{}]", repeated("1", BYTES))),
        ("/decisions", format!("[{}]", repeated("[]", BYTES))),
        ("/decisions", format!("{{{}}}", repeated(r#""":0"#, BYTES))),
        ("/decisions", format!(r#"{{"age_in_years":[{nested}]}}"#)),
        ("/decisions", format!(r#"{{"age_in_years":"{escaped}"}}"#)),
    ] {
        let (world, body) = (World::default(), body.as_bytes());
        let (response, peak) = answer(&world, &Request { body, ..post(target) });
        let start = String::from_utf8_lossy(&body[..100]);
        assert!(is_problem(&response), "{start}");
        assert!(peak < body.len() + (2 << 20), "{start}: {peak}");
    }
}

#[test]
fn texts_of_binary_tensors_are_not_read_beyond_their_number() {
    let world = World::default();
    let bytes = vec![0; 2 << 20];
    let json = format!(
        r#"{{"inputs":[{{"name":"foreign_worker","shape":[1],"datatype":"BYTES",
            "parameters":{{"binary_data_size":{}}}}}]}}"#,
        bytes.len()
    );
    let (length, body) = (json.len().to_string(), [json.as_bytes(), &bytes].concat());
    let headers = Headers {
        content_type: Some("application/octet-stream"),
        inference_header_content_length: Some(&length),
        ..Headers::default()
    };
    let (response, peak) = answer(&world, &Request { headers, body: &body, ..post(INFER) });
    assert!(is_problem(&response) && peak < 1 << 20, "{peak}");
}

#[test]
fn a_query_of_many_names_is_refused_shortly() {
    let world = World::default();
    for target in [
        format!("/predictions?include={}", ",".repeat(60_000)),
        format!("/predictions?{}", "a&".repeat(30_000)),
        format!("/decisions?{}", "a&".repeat(30_000)),
        format!("/{}", "a".repeat(60_000)),
    ] {
        let (response, peak) = answer(&world, &post(&target));
        assert!(is_problem(&response));
        assert!(response.body.len() < 16_000, "{}", response.body.len());
        assert!(peak < 512 << 10, "{}: {peak}", &target[..20]);
    }
    let response = world.post(&format!("/predictions?include={}", ",".repeat(60_000)));
    assert!(body(&response).contains("and 59981 more mistakes"), "{}", body(&response));
}

/// A manifest of so many features.
fn wide(features: usize) -> Manifest {
    let text = include_str!("../../../../models/credit/manifest.toml");
    let (before, rest) = text.split_once("[[feature]]").unwrap();
    let after = &rest[rest.find("[[output]]").unwrap()..];
    let feature =
        |i| format!("[[feature]]\nname = \"feature_{i:03}\"\ntype = \"number\"\nexample = 1\n");
    let features: String = (0..features).map(feature).collect();
    Manifest::parse(&format!("{before}{features}{after}")).unwrap()
}

#[test]
fn mistakes_are_answered_with_little_more_than_was_sent() {
    let full = include_str!("../../../../models/credit-full/manifest.toml");
    let full = || Manifest::parse(full).unwrap();
    let members = |count: usize, value: &str| {
        let members: Vec<String> = (0..count).map(|i| format!("\"{i}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let array = |row: &str, count: usize| format!("[{}]", vec![row; count].join(","));
    let unseen = "\u{1}".repeat(200).replace('\u{1}', "\\u0001");
    for (manifest, body) in [
        (full(), array(&members(20, "1"), 100)),
        (full(), array("{}", 10_000)),
        (full(), array("1", 10_000)),
        (full(), array(&members(1, "1"), 10_000)),
        (full(), array(&members(1, &format!("\"{unseen}\"")), 300)),
        (wide(300), members(20, "1")),
        (wide(300), array(&members(20, "1"), 100)),
        (wide(300), array("{}", 4000)),
        (wide(3000), "{}".to_owned()),
    ] {
        let world = World { manifest, ..World::default() };
        let request = Request { body: body.as_bytes(), ..post("/decisions") };
        let (response, peak) = answer(&world, &request);
        let bytes = response.body.len();
        let start = &body[..body.len().min(30)];
        assert!(bytes < (256 << 10).max(20 * body.len()), "{start}: {} to {bytes}", body.len());
        assert!(peak < 2 * body.len() + (6 << 20), "{start}: {peak}");
        serde_json::from_slice::<Json>(&response.body).unwrap();
    }
}

#[test]
fn an_array_whose_mistakes_would_take_more_than_itself_is_refused_as_a_whole() {
    let world = World::default();
    let tiny = format!("[{}]", vec!["{}"; 10_000].join(","));
    let response = world.send("POST", "/decisions", None, &tiny);
    assert_eq!(response.status, 422);
    assert!(body(&response).contains("10000 of 10000 rows have mistakes"), "{}", body(&response));
    let few = format!("[{}]", vec!["{}"; 1000].join(","));
    assert_eq!(world.send("POST", "/decisions", None, &few).status, 200);
}
