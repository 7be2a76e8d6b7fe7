//! What clients may ask of the cache and see of it, and what other caches may do with an answer.

use foretold_core::http::{Headers, Request, Response};
use foretold_core::settings::{Allowed, Settings};

use crate::world::{World, body, header, post};

fn asking(world: &World, cache_control: &str) -> Response {
    let post = post("/probabilities");
    let headers = Headers { cache_control: Some(cache_control), ..post.headers };
    world.answer(&Request { headers, ..post })
}

fn status(response: &Response) -> &str {
    header(response, "cache-status").unwrap_or_default()
}

#[test]
fn no_cache_computes_anew_and_stores() {
    let world = World::default();
    world.post("/decisions");
    let response = asking(&world, "no-cache");
    assert_eq!(status(&response), "foretold; fwd=bypass; stored");
    assert_eq!((response.report.bypassed, response.report.stored), (1, 1));
    assert_eq!((world.store.gets.get(), world.store.sets.get()), (1, 2));
}

#[test]
fn no_store_leaves_the_store_alone() {
    let world = World::default();
    let response = asking(&world, "no-store");
    assert_eq!(status(&response), "foretold; fwd=bypass");
    assert_eq!((world.store.gets.get(), world.store.sets.get()), (0, 0));
}

#[test]
fn max_age_takes_no_older_entry() {
    let world = World::default();
    world.post("/decisions");
    world.now.set(61);
    assert_eq!(status(&asking(&world, "max-age=61")), "foretold; hit; ttl=3539");
    let response = asking(&world, "max-age=60");
    assert_eq!(status(&response), "foretold; fwd=stale; stored; detail=max-age");
    assert_eq!(header(&response, "age"), None);
    assert_eq!(status(&asking(&world, "max-age=0")), "foretold; hit; ttl=3600");
}

#[test]
fn only_if_cached_never_computes() {
    let world = World::default();
    let response = asking(&world, "only-if-cached");
    assert_eq!(response.status, 504);
    assert!(body(&response).contains("not-cached"));
    assert_eq!((world.model.runs.get(), response.report.refused), (0, 1));
    world.post("/decisions");
    assert_eq!(asking(&world, "only-if-cached").status, 200);
    world.now.set(3600);
    assert_eq!(asking(&world, "only-if-cached").status, 504);
}

#[test]
fn what_the_operator_does_not_allow_is_ignored() {
    let settings = Settings { allowed: Allowed::NONE, ..Settings::default() };
    let world = World { settings, ..World::default() };
    for directive in ["no-cache", "no-store", "max-age=0", "only-if-cached"] {
        let response = asking(&world, directive);
        assert_eq!(response.status, 200);
        assert_eq!(header(&response, "cache-status"), None);
        assert_eq!(header(&response, "age"), None);
        world.now.set(world.now.get() + 5);
    }
    assert_eq!(world.model.runs.get(), 1);
    let query = Request { method: "QUERY", ..post("/decisions") };
    let response = world.answer(&query);
    assert_eq!((response.status, header(&response, "allow")), (405, Some("POST, OPTIONS")));
}

#[test]
fn who_may_not_see_hits_cannot_find_them_with_only_if_cached() {
    let allowed = Allowed { cache_status: false, ..Allowed::ALL };
    let world = World { settings: Settings { allowed, ..Settings::default() }, ..World::default() };
    let miss = asking(&world, "only-if-cached");
    let hit = asking(&world, "only-if-cached");
    assert_eq!((miss.status, miss.headers, miss.body), (200, hit.headers, hit.body));
    assert_eq!((hit.report.hits, world.model.runs.get()), (1, 1));
    let document = world.send("GET", "/openapi.json", None, "");
    assert!(!body(&document).contains("only-if-cached"));
}

#[test]
fn a_host_that_finds_the_model_cheaper_leaves_the_store_alone() {
    let world = World::default();
    let response = world.answer(&Request { bypass_store: true, ..post("/decisions") });
    assert_eq!(status(&response), "foretold; fwd=bypass");
    assert_eq!(response.report.bypassed, 1);
    assert_eq!((world.store.gets.get(), world.store.sets.get()), (0, 0));
    world.post("/decisions");
    let cache_control = Some("only-if-cached");
    let headers = Headers { cache_control, ..post("/decisions").headers };
    let request = Request { bypass_store: true, headers, ..post("/decisions") };
    assert_eq!(world.answer(&request).status, 200, "it is there, and nothing else was asked for");
}

#[test]
fn a_query_is_answered_like_a_post_and_other_caches_may_keep_it() {
    let world = World::default();
    let query = Request { method: "QUERY", ..post("/decisions") };
    let miss = world.answer(&query);
    assert_eq!(body(&miss), body(&world.post("/decisions")));
    assert_eq!(header(&miss, "cache-control"), Some("max-age=3600"));
    assert_eq!(header(&miss, "vary"), Some("content-type"));
    world.now.set(100);
    let hit = world.answer(&query);
    // Together they say how long it is still good: 3500 s.
    assert_eq!(header(&hit, "age"), Some("100"));
    assert_eq!(header(&hit, "cache-control"), Some("max-age=3600"));
    assert_eq!(header(&world.post("/decisions"), "cache-control"), Some("no-store"));
    let secret =
        Request { headers: Headers { cache_control: Some("no-store"), ..query.headers }, ..query };
    assert_eq!(header(&world.answer(&secret), "cache-control"), Some("no-store"));
}

#[test]
fn a_query_says_what_its_content_is() {
    let world = World::default();
    let query = Request { method: "QUERY", headers: Headers::default(), ..post("/decisions") };
    assert_eq!(world.answer(&query).status, 415);
}

#[test]
fn an_unchanged_answer_is_a_304_to_a_query_and_never_to_a_post() {
    let world = World::default();
    let first = world.post("/decisions");
    let etag = header(&first, "etag").unwrap();
    assert_eq!(header(&world.post("/decisions"), "etag"), Some(etag));
    assert_ne!(header(&world.post("/probabilities"), "etag"), Some(etag));
    let headers = Headers { if_none_match: Some(etag), ..post("/decisions").headers };
    let query = Request { method: "QUERY", headers, ..post("/decisions") };
    let unchanged = world.answer(&query);
    assert_eq!((unchanged.status, body(&unchanged)), (304, ""));
    assert_eq!(header(&unchanged, "etag"), Some(etag));
    let post = world.answer(&Request { method: "POST", ..query });
    assert_eq!((post.status, body(&post)), (200, body(&first)));
    let other = world.answer(&Request {
        headers: Headers { if_none_match: Some("\"x\""), ..query.headers },
        ..query
    });
    assert_eq!(other.status, 200);
}
