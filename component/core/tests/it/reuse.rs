//! What may be given again without asking: exactly what would be answered.

use foretold_core::cache::reuse::Reuse;
use foretold_core::http::{Headers, Request, Response};
use foretold_core::model::manifest::Cache;
use foretold_core::settings::{Allowed, KeyFormat};

use crate::SAMPLE;
use crate::world::{World, header, post};

/// A response as it has to be in a second, if it is given again.
fn again(response: &Response, reuse: &Reuse, now: u32) -> Response {
    let mut again = Response { reuse: None, ..response.clone() };
    for header in &mut again.headers {
        if header.name == "age" {
            header.value = (now - reuse.span.written_at).to_string().into();
        }
        if let ("cache-status", Some((before, behind))) = (header.name, &reuse.cache_status) {
            let left = reuse.span.expires_at - now;
            header.value = format!("{before}{left}{behind}").into();
        }
    }
    again
}

/// Stores at second 1000, asks at 1003, and compares every later second until the answer may no
/// longer be given again. It gives how many there were.
fn check(world: &World, request: &Request<'_>) -> u32 {
    world.now.set(1000);
    assert_eq!(world.answer(request).reuse, None, "what was computed is not given again");
    world.now.set(1003);
    let response = world.answer(request);
    let reuse = response.reuse.clone().expect("a hit");
    for now in 1003..reuse.span.until {
        world.now.set(now);
        let asked = Response { reuse: None, ..world.answer(request) };
        assert_eq!(asked, again(&response, &reuse, now));
    }
    reuse.span.until - 1003
}

fn world() -> World {
    let mut world = World::default();
    world.manifest.cache = Cache { ttl_seconds: 100, ..Cache::default() };
    world
}

#[test]
fn an_answer_may_be_given_again_until_its_entry_ends() {
    let request = post("/decisions");
    let world = world();
    assert_eq!(check(&world, &request), 97);
    world.now.set(1100);
    assert_eq!(world.answer(&request).reuse, None);
    let query = Request { method: "QUERY", ..request };
    assert_eq!(check(&self::world(), &query), 97);
    let mut hidden = self::world();
    hidden.settings.allowed = Allowed { cache_status: false, ..Allowed::ALL };
    assert_eq!(check(&hidden, &post("/probabilities")), 97);
}

#[test]
fn an_array_ends_with_the_first_of_its_entries() {
    let mut world = world();
    world.manifest.cache.jitter_percent = 50;
    let rows: Vec<String> = (20..40).map(|age| SAMPLE.replace("30", &age.to_string())).collect();
    let body = format!("[{}]", rows.join(","));
    let request = Request { body: body.as_bytes(), ..post("/decisions") };
    let seconds = check(&world, &request);
    assert!((47..90).contains(&seconds), "{seconds}");
    // One row of it is older than the others.
    let world = World { now: 900.into(), ..self::world() };
    world.answer(&Request { body: rows[3].as_bytes(), ..post("/decisions") });
    world.now.set(950);
    world.answer(&request);
    let span = world.answer(&request).reuse.unwrap().span;
    assert_eq!((span.written_at, span.expires_at, span.until), (900, 1000, 1000));
    // Where a row is refused, nothing is given again.
    let body = format!("[{},{{}}]", rows[3]);
    let request = Request { body: body.as_bytes(), ..post("/decisions") };
    assert_eq!(world.answer(&request).reuse, None);
}

#[test]
fn a_client_that_wants_no_old_answer_ends_it_earlier() {
    let control = |control| Request {
        headers: Headers { cache_control: Some(control), ..post("/decisions").headers },
        ..post("/decisions")
    };
    assert_eq!(check(&world(), &control("max-age=20")), 18);
    assert_eq!(check(&world(), &control("max-age=500")), 97);
    for control in [control("no-cache"), control("no-store")] {
        let world = world();
        world.post("/decisions");
        assert_eq!(world.answer(&control).reuse, None);
    }
}

#[test]
fn an_entry_that_may_be_refreshed_early_is_asked_for_each_time() {
    let mut world = world();
    world.manifest.cache.early_refresh_seconds = 1;
    assert_eq!(check(&world, &post("/decisions")), 97 - 21);
    world.manifest.cache.early_refresh_seconds = 5;
    world.now.set(2000);
    world.post("/decisions");
    let hit = world.post("/decisions");
    assert!(header(&hit, "cache-status").unwrap().starts_with("foretold; hit"));
    assert_eq!(hit.reuse, None);
}

#[test]
fn entries_of_no_known_age_or_of_the_future_are_asked_for_each_time() {
    let mut repr = world();
    repr.settings.keys = KeyFormat::Repr;
    repr.post("/decisions");
    assert_eq!(repr.post("/decisions").reuse, None);
    let ahead = world();
    ahead.now.set(1030);
    ahead.post("/decisions");
    // Another host's clock.
    ahead.now.set(1000);
    let hit = ahead.post("/decisions");
    assert!(header(&hit, "cache-status").unwrap().starts_with("foretold; hit"));
    assert_eq!(hit.reuse, None);
    ahead.now.set(1030);
    assert!(ahead.post("/decisions").reuse.is_some());
}
