//! Bodies of JSON requests: a row or an array of rows, of two models.

#![no_main]

use foretold_core::http::request::{self, Rows};
use foretold_core::http::{Headers, Request};
use foretold_core::settings::KeyFormat;
use foretold_fuzz::{CREDIT, CREDIT_FULL, MapStore, answer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for (service, paths) in [
        (&*CREDIT, &["/decisions", "/probabilities", "/risk_categories", "/predictions"][..]),
        (&*CREDIT_FULL, &["/decisions", "/predictions"][..]),
    ] {
        let features = &service.manifest().features;
        let rows = match request::rows(body, features) {
            Ok(Rows::One(row)) => vec![row],
            Ok(Rows::Many(rows)) => rows.into_iter().filter_map(Result::ok).collect(),
            Err(problem) => {
                assert!((400..500).contains(&problem.status()), "{problem:?}");
                vec![]
            }
        };
        let layout = service.key_layout();
        for row in rows {
            let packed = layout.pack(&row);
            assert_eq!(layout.unpack(&packed).as_ref(), Some(&row));
            let readable = layout.key(KeyFormat::Readable, None, None, &packed);
            assert_eq!(layout.row(&readable).as_ref(), Some(&row), "{readable}");
        }
        for target in paths {
            let headers = Headers { content_type: Some("application/json"), ..Headers::default() };
            let request = Request { method: "POST", target, headers, body, bypass_store: false };
            let store = MapStore::default();
            let computed = answer(service, &request, &store);
            let cached = answer(service, &request, &store);
            assert_eq!((computed.status, computed.body), (cached.status, cached.body));
        }
    }
});
