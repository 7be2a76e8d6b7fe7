//! Settings: what contradicts itself or the manifest is refused before anything is answered.

use foretold_core::settings::{KeyKind, Secret, Settings};

use crate::credit;

#[test]
fn a_time_to_live_for_an_endpoint_that_is_not_there_is_refused() {
    let endpoint_ttl_seconds = vec![("/decision".to_owned(), 5)];
    let settings = Settings { endpoint_ttl_seconds, ..Settings::default() };
    let error = settings.check(&credit()).unwrap_err();
    assert!(error.contains("/decision:") && error.contains("/decisions, /prob"), "{error}");
}

#[test]
fn repr_keys_need_a_class_for_every_endpoint_and_no_mac() {
    let settings = Settings { keys: KeyKind::Repr, ..Settings::default() };
    let mut manifest = credit();
    assert_eq!(settings.check(&manifest), Ok(()));
    let mac = Some(Secret::for_entries(&[7; 16]).unwrap());
    assert!(Settings { mac, ..settings.clone() }.check(&manifest).is_err());
    manifest.endpoints[1].python_class = None;
    assert!(settings.check(&manifest).unwrap_err().contains("/probabilities"));
}

#[test]
fn a_secret_is_long_enough_and_never_shown() {
    assert!(Secret::for_keys(&[7; 15]).unwrap_err().contains("15 bytes"));
    let secret = Secret::for_keys(b"sesame-sesame-sesame").unwrap();
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    assert_ne!(secret, Secret::for_entries(b"sesame-sesame-sesame").unwrap());
}
