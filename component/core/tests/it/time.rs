//! Time to live: per endpoint, with jitter, refreshed early, served stale, and with clocks that
//! step.

use foretold_core::model::manifest::Cache;
use foretold_core::settings::Settings;

use crate::SAMPLE;
use crate::world::{AgeModel, World, header};

fn with_cache(cache: Cache) -> World {
    let mut world = World::default();
    world.manifest.cache = cache;
    world
}

fn is_hit(world: &World, path: &str) -> bool {
    header(&world.post(path), "cache-status").unwrap().starts_with("foretold; hit")
}

#[test]
fn each_endpoint_judges_the_age_of_the_one_entry() {
    let mut world = World::default();
    world.manifest.endpoints[0].ttl_seconds = Some(60);
    world.manifest.endpoints[1].ttl_seconds = Some(7200);
    assert_eq!(world.settings.longest_seconds(&world.manifest), 7200);
    world.post("/decisions");
    world.now.set(60);
    assert!(is_hit(&world, "/probabilities"));
    assert!(is_hit(&world, "/risk_categories"));
    assert!(!is_hit(&world, "/decisions"));
    world.now.set(60 + 3600);
    assert!(is_hit(&world, "/probabilities"));
    assert!(!is_hit(&world, "/risk_categories"));
}

#[test]
fn the_operator_has_the_last_word_on_the_time_to_live() {
    let mut manifest = World::default().manifest;
    manifest.endpoints[0].ttl_seconds = Some(60);
    let settings = Settings {
        ttl_seconds: Some(20),
        endpoint_ttl_seconds: vec![("/probabilities".into(), 5)],
        ..Settings::default()
    };
    let ttl = |i| settings.ttl_seconds(&manifest, Some(i));
    assert_eq!((ttl(0), ttl(1), ttl(2)), (20, 5, 20));
    assert_eq!(settings.longest_seconds(&manifest), 20);
}

#[test]
fn jitter_spreads_the_ends_of_entries_that_were_stored_together() {
    let cache = Cache { ttl_seconds: 1000, jitter_percent: 20, ..Cache::default() };
    let world = with_cache(cache);
    let ages: Vec<String> = (18..118).map(|age| SAMPLE.replace("30", &age.to_string())).collect();
    let send = |body: &String| world.send("POST", "/decisions", None, body);
    ages.iter().for_each(|body| drop(send(body)));
    let hits = |seconds: u32| {
        world.now.set(seconds);
        let cached = |body: &&String| {
            header(&send(body), "cache-status").unwrap().starts_with("foretold; hit")
        };
        // A miss stores anew, so each moment starts from the same entries.
        let entries = world.store.entries.borrow().clone();
        let hits = ages.iter().filter(cached).count();
        *world.store.entries.borrow_mut() = entries;
        hits
    };
    assert_eq!(hits(799), 100);
    let (early, late) = (hits(850), hits(950));
    assert!((60..90).contains(&early), "a quarter has ended: {early} are left");
    assert!((10..40).contains(&late), "three quarters have ended: {late} are left");
    assert_eq!(hits(1000), 0);
}

#[test]
fn early_refresh_is_drawn_more_often_towards_the_end() {
    let cache = Cache { ttl_seconds: 1000, early_refresh_seconds: 50, ..Cache::default() };
    let world = with_cache(cache);
    world.post("/decisions");
    let entries = world.store.entries.borrow().clone();
    let refreshed = |seconds: u32| {
        world.now.set(seconds);
        let draws = 0..1000u64;
        draws
            .filter(|entropy| {
                world.entropy.set(*entropy);
                let response = world.post("/decisions");
                *world.store.entries.borrow_mut() = entries.clone();
                let status = header(&response, "cache-status").unwrap();
                status == "foretold; fwd=stale; stored; detail=early-refresh"
            })
            .count()
    };
    // The chance with t seconds left is exp(-t / 50).
    assert_eq!(refreshed(0), 0);
    assert!((90..180).contains(&refreshed(900)), "13.5 % expected");
    assert!((320..420).contains(&refreshed(950)), "36.8 % expected");
    assert!((930..=1000).contains(&refreshed(999)), "98 % expected");
}

#[test]
fn an_expired_entry_is_served_where_the_model_fails_and_the_manifest_allows_it() {
    let cache = Cache { ttl_seconds: 100, stale_if_error_seconds: 50, ..Cache::default() };
    let mut world = with_cache(cache);
    assert_eq!(world.settings.longest_seconds(&world.manifest), 150);
    let first = world.post("/probabilities");
    world.model = AgeModel { fails_at: Some(30), ..AgeModel::default() };
    world.now.set(149);
    let stale = world.post("/probabilities");
    assert_eq!((stale.status, &stale.body), (200, &first.body));
    assert_eq!(header(&stale, "cache-status"), Some("foretold; hit; ttl=-49; detail=model-failed"));
    assert_eq!(header(&stale, "age"), Some("149"));
    world.now.set(150);
    assert_eq!(world.post("/probabilities").status, 500);
    world.manifest.cache.stale_if_error_seconds = 0;
    world.now.set(149);
    assert_eq!(world.post("/probabilities").status, 500);
}

#[test]
fn a_clock_that_was_set_back_makes_no_entry_live_longer_and_no_age_negative() {
    let world = World::default();
    world.now.set(100_000);
    world.post("/decisions");
    world.now.set(99_950);
    assert_eq!(header(&world.post("/decisions"), "age"), Some("0"));
    world.now.set(90_000);
    let response = world.post("/decisions");
    assert_eq!(header(&response, "cache-status"), Some("foretold; fwd=stale; stored"));
}
