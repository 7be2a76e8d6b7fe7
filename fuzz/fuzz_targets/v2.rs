//! Requests of the Open Inference Protocol. An input may begin with the value of
//! `Inference-Header-Content-Length` and a line break; binary tensors follow the JSON.

#![no_main]

use foretold_core::http::{Headers, Request};
use foretold_fuzz::{CREDIT, MapStore, answer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let line = input.iter().take(24).position(|&byte| byte == b'\n');
    let length = line.and_then(|end| std::str::from_utf8(&input[..end]).ok());
    let length = length.filter(|length| !length.starts_with(['{', '[', '"']));
    let body = match (line, length) {
        (Some(end), Some(_)) => &input[end + 1..],
        _ => input,
    };
    for accept in [None, Some("application/json")] {
        let headers =
            Headers { accept, inference_header_content_length: length, ..Headers::default() };
        let target = "/v2/models/credit/infer";
        let request = Request { method: "POST", target, headers, body, bypass_store: false };
        let store = MapStore::default();
        let computed = answer(&CREDIT, &request, &store);
        let cached = answer(&CREDIT, &request, &store);
        assert_eq!((computed.status, computed.body), (cached.status, cached.body));
    }
});
