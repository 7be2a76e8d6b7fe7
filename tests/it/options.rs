//! Options that make no sense are refused before anything listens, with what would.

use crate::harness::refusal::refusal_of_credit;

#[test]
fn each_mistake_is_named_with_what_would_be_right() {
    let cases: [(&[&str], &str); 12] = [
        (&["--ttl", "0"], "expected whole seconds from 1 to 315360000, not \"0\""),
        (&["--ttl", "/decisions=1h"], "expected whole seconds from 1 to 315360000, not \"1h\""),
        (&["--ttl", "decisions=60"], "expected the path of an endpoint before `=`"),
        (&["--ttl", "1", "--ttl", "2"], "--ttl is given twice for all endpoints"),
        (&["--ttl", "/a=1", "--ttl", "/a=2"], "--ttl is given twice for /a"),
        (&["--ttl", "/a=1"], "the endpoints are /decisions, /probabilities, /risk_categories"),
        (&["--keys", "json"], "packed, digest, readable, repr"),
        (&["--allow", "no-cahce"], "\"no-cahce\" is not a permission; expected all, none"),
        (&["--allow", "none,query"], "\"none\" is not a permission"),
        (&["--cache", "never"], "always, auto"),
        (&["--allowed-hosts", "http://a.example"], "expected some like predict.example.com"),
        (&["--metrics", "9090"], "expected an IP address and a port"),
    ];
    for (options, expected) in cases {
        let error = refusal_of_credit(options, &[]);
        assert!(!error.contains("serving"), "{error}");
        assert!(error.contains(expected), "{options:?}: {error}");
    }
}
