//! Everything of a request but its body: a line each for the method, the target, and the headers that
//! the pipeline reads, in their order; an empty line is a header that is not there. The rest is the body.

#![no_main]

use foretold_core::http::{Headers, REQUEST_HEADERS, Request};
use foretold_core::settings::{Allowed, Ttls, origins};
use foretold_fuzz::{CREDIT, MapStore, answer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let mut line = || {
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        String::from_utf8_lossy(line)
    };
    let (method, target) = (line(), line());
    let values: [_; REQUEST_HEADERS.len()] = std::array::from_fn(|_| line());
    for value in [&method, &target].into_iter().chain(&values) {
        let _ = (Allowed::parse(value), value.parse::<Ttls>(), origins(value));
    }
    let values = values.each_ref().map(|value| Some(&**value).filter(|it| !it.is_empty()));
    let headers = Headers::from_values(values);
    let (method, target) = (&*method, &*target);
    let request = Request { method, target, headers, body: rest, bypass_store: false };
    answer(&CREDIT, &request, &MapStore::default());
});
