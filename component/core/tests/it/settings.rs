//! Settings: what contradicts itself or the manifest is refused before anything is answered.

use foretold_core::settings::{Allowed, KeyFormat, Secret, Settings};

use crate::credit;

#[test]
fn a_time_to_live_for_an_endpoint_that_is_not_there_is_refused() {
    let endpoint_ttl_seconds = vec![("/decision".to_owned(), 5)];
    let settings = Settings { endpoint_ttl_seconds, ..Settings::default() };
    let error = settings.check(&credit()).unwrap_err().to_string();
    assert!(error.contains("/decision:") && error.contains("/decisions, /prob"), "{error}");
}

#[test]
fn repr_keys_need_a_class_for_every_endpoint_and_no_mac() {
    let settings = Settings { keys: KeyFormat::Repr, ..Settings::default() };
    let mut manifest = credit();
    assert_eq!(settings.check(&manifest), Ok(()));
    let mac = Some(Secret::for_entries(&[7; 16]).unwrap());
    assert!(Settings { mac, ..settings.clone() }.check(&manifest).is_err());
    manifest.endpoints[1].python_class = None;
    assert!(settings.check(&manifest).unwrap_err().to_string().contains("/probabilities"));
}

#[test]
fn a_secret_is_long_enough_and_never_shown() {
    assert!(Secret::for_keys(&[7; 15]).unwrap_err().to_string().contains("15 bytes"));
    let secret = Secret::for_keys(b"sesame-sesame-sesame").unwrap();
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    assert_ne!(secret, Secret::for_entries(b"sesame-sesame-sesame").unwrap());
}

#[test]
fn variables_are_read_and_wrong_ones_are_named() {
    let read = |variables: &[(&str, &str)]| {
        Settings::from_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, value)| (*value).to_owned()))
        })
    };
    assert_eq!(read(&[]), Ok(Settings::default()));
    assert_eq!(read(&Settings::VARIABLES.map(|name| (name, ""))), Ok(Settings::default()));
    let secret = "sixteen bytes at least";
    let settings = read(&[
        ("ttl_seconds", "60, /decisions=5"),
        ("keys", "digest"),
        ("key_secret", secret),
        ("mac_secret", secret),
        ("allow", "max-age, query"),
        ("cors", "https://Example.com, http://localhost:3000"),
    ]);
    let expected = Settings {
        ttl_seconds: Some(60),
        endpoint_ttl_seconds: vec![("/decisions".to_owned(), 5)],
        keys: KeyFormat::Digest,
        key_secret: Secret::for_keys(secret.as_bytes()).ok(),
        mac: Secret::for_entries(secret.as_bytes()).ok(),
        allowed: Allowed { max_age: true, query: true, ..Allowed::NONE },
        cors: vec!["https://example.com".to_owned(), "http://localhost:3000".to_owned()],
    };
    assert_eq!(settings, Ok(expected));
    for (name, value) in [
        ("ttl_seconds", "0"),
        ("ttl_seconds", "1h"),
        ("ttl_seconds", "315360001"),
        ("ttl_seconds", "60,61"),
        ("ttl_seconds", "decisions=60"),
        ("ttl_seconds", "/decisions=60,/decisions=60"),
        ("keys", "json"),
        ("key_secret", "short"),
        ("mac_secret", "short"),
        ("allow", "no-cash"),
        ("cors", "example.com"),
        ("cors", "https://example.com/"),
        ("cors", "https://"),
    ] {
        let error = read(&[(name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
        assert!(!error.contains("short"), "{error}");
    }
    let unreadable = Settings::from_variables(|_| Err("no provider answers".to_owned()));
    assert_eq!(unreadable.unwrap_err().to_string(), "ttl_seconds: no provider answers");
    let error = read(&[("key_secret", secret)]).unwrap_err().to_string();
    assert!(error.contains("digest") && !error.contains(secret), "{error}");
}

#[test]
fn what_is_not_in_the_list_is_not_allowed() {
    let some = Allowed { max_age: true, query: true, ..Allowed::NONE };
    assert_eq!(Allowed::parse("max-age, query"), Ok(some));
    assert_eq!(Allowed::parse("none"), Ok(Allowed::NONE));
    for all in ["all", "no-cache,no-store,max-age,only-if-cached,cache-status,query"] {
        assert_eq!(Allowed::parse(all), Ok(Allowed::ALL));
    }
    for wrong in ["", "max-age,", "max_age", "none,query"] {
        let message = Allowed::parse(wrong).unwrap_err().to_string();
        assert!(message.contains("no-store, max-age, only-if-cached"), "{wrong}: {message}");
    }
}
