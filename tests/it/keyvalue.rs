//! The key-value interfaces of components that are not ours: one written by hand calls every
//! function of Spin's interfaces, and counts the answers that are as they should be.

use crate::harness::redis::Redis;
use crate::hostile::{NO_IMPORT, component, refusal, serve_with_import};
use crate::stores::layouts;

/// All functions of the interfaces that other hosts' components may import; the types of a draft's
/// other interfaces are those of its `store`.
const EVERY_KEY_VALUE_INTERFACE: &str = r#"
  (import "fermyon:spin/key-value@2.0.0" (instance $spin
    (export "store" (type $store (sub resource)))
    (type $error' (variant (case "store-table-full") (case "no-such-store")
      (case "access-denied") (case "other" string)))
    (export "error" (type $error (eq $error')))
    (export "[static]store.open"
      (func (param "label" string) (result (result (own $store) (error $error)))))
    (export "[method]store.get" (func (param "self" (borrow $store)) (param "key" string)
      (result (result (option (list u8)) (error $error)))))
    (export "[method]store.set" (func (param "self" (borrow $store)) (param "key" string)
      (param "value" (list u8)) (result (result (error $error)))))
    (export "[method]store.delete" (func (param "self" (borrow $store)) (param "key" string)
      (result (result (error $error)))))
    (export "[method]store.exists" (func (param "self" (borrow $store)) (param "key" string)
      (result (result bool (error $error)))))
    (export "[method]store.get-keys" (func (param "self" (borrow $store))
      (result (result (list string) (error $error)))))))
  (import "fermyon:spin/variables@2.0.0" (instance
    (type $error' (variant (case "invalid-name" string) (case "undefined" string)
      (case "provider" string) (case "other" string)))
    (export "error" (type $error (eq $error')))
    (export "get" (func (param "name" string) (result (result string (error $error)))))))
  (import "wasi:keyvalue/store@0.2.0-draft2" (instance $store
    (export "bucket" (type $bucket (sub resource)))
    (type $error' (variant (case "no-such-store") (case "access-denied") (case "other" string)))
    (export "error" (type $error (eq $error')))
    (type $keys' (record (field "keys" (list string)) (field "cursor" (option string))))
    (export "key-response" (type $keys (eq $keys')))
    (export "open"
      (func (param "identifier" string) (result (result (own $bucket) (error $error)))))
    (export "[method]bucket.get" (func (param "self" (borrow $bucket)) (param "key" string)
      (result (result (option (list u8)) (error $error)))))
    (export "[method]bucket.set" (func (param "self" (borrow $bucket)) (param "key" string)
      (param "value" (list u8)) (result (result (error $error)))))
    (export "[method]bucket.delete" (func (param "self" (borrow $bucket)) (param "key" string)
      (result (result (error $error)))))
    (export "[method]bucket.exists" (func (param "self" (borrow $bucket)) (param "key" string)
      (result (result bool (error $error)))))
    (export "[method]bucket.list-keys" (func (param "self" (borrow $bucket))
      (param "cursor" (option string)) (result (result $keys (error $error)))))))
  (alias export $store "bucket" (type $bucket))
  (alias export $store "error" (type $error))
  (import "wasi:keyvalue/batch@0.2.0-draft2" (instance $batch
    (alias outer 1 $bucket (type $bucket'))
    (export "bucket" (type $bucket (eq $bucket')))
    (alias outer 1 $error (type $error'))
    (export "error" (type $error (eq $error')))
    (export "get-many" (func (param "bucket" (borrow $bucket)) (param "keys" (list string))
      (result (result (list (tuple string (option (list u8)))) (error $error)))))
    (export "set-many" (func (param "bucket" (borrow $bucket))
      (param "key-values" (list (tuple string (list u8)))) (result (result (error $error)))))
    (export "delete-many" (func (param "bucket" (borrow $bucket)) (param "keys" (list string))
      (result (result (error $error)))))))
  (import "wasi:keyvalue/atomics@0.2.0-draft2" (instance $atomics
    (alias outer 1 $bucket (type $bucket'))
    (export "bucket" (type $bucket (eq $bucket')))
    (alias outer 1 $error (type $error'))
    (export "error" (type $error (eq $error')))
    (export "cas" (type $cas (sub resource)))
    (type $failed' (variant (case "store-error" $error) (case "cas-failed" (own $cas))))
    (export "cas-error" (type $failed (eq $failed')))
    (export "[static]cas.new" (func (param "bucket" (borrow $bucket)) (param "key" string)
      (result (result (own $cas) (error $error)))))
    (export "[method]cas.current" (func (param "self" (borrow $cas))
      (result (result (option (list u8)) (error $error)))))
    (export "increment" (func (param "bucket" (borrow $bucket)) (param "key" string)
      (param "delta" s64) (result (result s64 (error $error)))))
    (export "swap" (func (param "cas" (own $cas)) (param "value" (list u8))
      (result (result (error $failed)))))))"#;

/// Calls them. The answer is the number of steps that went as expected, up to the first that did
/// not.
///
/// Addresses: from 0x500 texts, 0x540 lists of keys and of pairs, 0x600 results, 0x700 keys.
const CALLS: &str = r#"
  (core module $texts
    (import "memory" "memory" (memory 1))
    (data (i32.const 0x500) "default")
    (data (i32.const 0x700) "foretold:hostile-model-0:a")
    (data (i32.const 0x720) "foretold:hostile-model-0:b")
    (data (i32.const 0x740) "foretold:hostile-model-0:c")
    (data (i32.const 0x760) "foretold:another-model-0:a")
    (data (i32.const 0x780) "foretold:generations")
    (data (i32.const 0x520) "12")
    ;; keys: a, c, b
    (data (i32.const 0x540) "\00\07\00\00\1a\00\00\00\40\07\00\00\1a\00\00\00\20\07\00\00\1a\00\00\00")
    ;; pairs: a and 1, b and 2
    (data (i32.const 0x580)
      "\00\07\00\00\1a\00\00\00\20\05\00\00\01\00\00\00\20\07\00\00\1a\00\00\00\21\05\00\00\01\00\00\00")
    ;; keys: b, and a of another model; pairs: the same
    (data (i32.const 0x5b0) "\20\07\00\00\1a\00\00\00\60\07\00\00\1a\00\00\00")
    (data (i32.const 0x5d0)
      "\20\07\00\00\1a\00\00\00\20\05\00\00\01\00\00\00\60\07\00\00\1a\00\00\00\21\05\00\00\01\00\00\00"))
  (core instance (instantiate $texts (with "memory" (instance $memory))))
  LOWERED
  (core module $adapter
    (import "memory" "memory" (memory 1))
    (import "store" "open" (func $open (param i32 i32 i32)))
    (import "store" "get" (func $get (param i32 i32 i32 i32)))
    (import "store" "set" (func $set (param i32 i32 i32 i32 i32 i32)))
    (import "store" "delete" (func $delete (param i32 i32 i32 i32)))
    (import "store" "exists" (func $exists (param i32 i32 i32 i32)))
    (import "store" "list-keys" (func $list-keys (param i32 i32 i32 i32 i32)))
    (import "batch" "get-many" (func $get-many (param i32 i32 i32 i32)))
    (import "batch" "set-many" (func $set-many (param i32 i32 i32 i32)))
    (import "batch" "delete-many" (func $delete-many (param i32 i32 i32 i32)))
    (import "atomics" "new" (func $new (param i32 i32 i32 i32)))
    (import "atomics" "increment" (func $increment (param i32 i32 i32 i64 i32)))
    (import "spin" "open" (func $spin-open (param i32 i32 i32)))
    (import "spin" "get" (func $spin-get (param i32 i32 i32 i32)))
    (import "spin" "set" (func $spin-set (param i32 i32 i32 i32 i32 i32)))
    (import "spin" "delete" (func $spin-delete (param i32 i32 i32 i32)))
    (import "spin" "exists" (func $spin-exists (param i32 i32 i32 i32)))
    (import "spin" "get-keys" (func $spin-get-keys (param i32 i32)))
    ;; Whether the last result is no error, and the first byte of what it holds.
    (func $ok (result i32) (i32.eqz (i32.load8_u (i32.const 0x600))))
    (func $ok-and (param $first i32) (result i32)
      (i32.and (call $ok) (i32.eq (i32.load8_u (i32.const 0x604)) (local.get $first))))
    ;; Whether the last result is a value of one byte.
    (func $value (param $byte i32) (result i32)
      (i32.and (call $ok-and (i32.const 1))
        (i32.and (i32.eq (i32.load (i32.const 0x60c)) (i32.const 1))
          (i32.eq (i32.load8_u (i32.load (i32.const 0x608))) (local.get $byte)))))
    ;; Whether an element of a list of keys and values has a key that ends so, and this value or none.
    (func $pair (param $at i32) (param $key i32) (param $some i32) (param $byte i32) (result i32)
      (i32.and
        (i32.and (i32.eq (i32.load offset=4 (local.get $at)) (i32.const 26))
          (i32.eq (i32.load8_u offset=25 (i32.load (local.get $at))) (local.get $key)))
        (i32.and (i32.eq (i32.load8_u offset=8 (local.get $at)) (local.get $some))
          (if (result i32) (local.get $some)
            (then (i32.and (i32.eq (i32.load offset=16 (local.get $at)) (i32.const 1))
              (i32.eq (i32.load8_u (i32.load offset=12 (local.get $at))) (local.get $byte))))
            (else (i32.const 1))))))
    (func (export "call") (param $list i32)
      (local $bucket i32) (local $spin i32) (local $pairs i32)
      STEPS)
  )
  (core instance $adapter (instantiate $adapter
    (with "memory" (instance $memory))
    (with "store" (instance
      (export "open" (func $store-open)) (export "get" (func $store-get))
      (export "set" (func $store-set)) (export "delete" (func $store-delete))
      (export "exists" (func $store-exists)) (export "list-keys" (func $store-list-keys))))
    (with "batch" (instance (export "get-many" (func $batch-get-many))
      (export "set-many" (func $batch-set-many)) (export "delete-many" (func $batch-delete-many))))
    (with "atomics" (instance
      (export "new" (func $atomics-new)) (export "increment" (func $atomics-increment))))
    (with "spin" (instance
      (export "open" (func $spin-open)) (export "get" (func $spin-get))
      (export "set" (func $spin-set)) (export "delete" (func $spin-delete))
      (export "exists" (func $spin-exists)) (export "get-keys" (func $spin-get-keys))))))
  (alias core export $adapter "call" (core func $call))"#;

/// The functions that are called: the instance that has them, their name there, and here.
const FUNCTIONS: [[&str; 3]; 17] = [
    ["store", "open", "open"],
    ["store", "[method]bucket.get", "get"],
    ["store", "[method]bucket.set", "set"],
    ["store", "[method]bucket.delete", "delete"],
    ["store", "[method]bucket.exists", "exists"],
    ["store", "[method]bucket.list-keys", "list-keys"],
    ["batch", "get-many", "get-many"],
    ["batch", "set-many", "set-many"],
    ["batch", "delete-many", "delete-many"],
    ["atomics", "[static]cas.new", "new"],
    ["atomics", "increment", "increment"],
    ["spin", "[static]store.open", "open"],
    ["spin", "[method]store.get", "get"],
    ["spin", "[method]store.set", "set"],
    ["spin", "[method]store.delete", "delete"],
    ["spin", "[method]store.exists", "exists"],
    ["spin", "[method]store.get-keys", "get-keys"],
];

/// A call, with the result at `R`, and what must hold after it. `B` and `S` are the bucket and
/// Spin's store; `A`, `BB` and `C` the three keys, `F` one of another model, `G` none of any model.
const STEPS: [(&str, &str); 36] = [
    ("(call $open (i32.const 0x500) (i32.const 7) R)", "(call $ok)"),
    ("(local.set $bucket (i32.load (i32.const 0x604))) (call $exists B A R)", NO),
    ("(call $set B A (i32.const 0x520) (i32.const 1) R)", "(call $ok)"),
    ("(call $exists B A R)", YES),
    ("(call $get B A R)", "(call $value (i32.const 0x31))"),
    ("(call $delete B A R)", "(call $ok)"),
    ("(call $exists B A R)", NO),
    // To delete what is not there is no mistake.
    ("(call $delete B A R)", "(call $ok)"),
    ("(call $set-many B (i32.const 0x580) (i32.const 2) R)", "(call $ok)"),
    ("(call $get-many B (i32.const 0x540) (i32.const 3) R)", "(call $ok)"),
    (
        "(local.set $pairs (i32.load (i32.const 0x604)))",
        "(i32.and (i32.eq (i32.load (i32.const 0x608)) (i32.const 3))
           (i32.and (call $pair (local.get $pairs) (i32.const 0x61) (i32.const 1) (i32.const 0x31))
             (i32.and
               (call $pair (i32.add (local.get $pairs) (i32.const 20)) (i32.const 0x63)
                 (i32.const 0) (i32.const 0))
               (call $pair (i32.add (local.get $pairs) (i32.const 40)) (i32.const 0x62)
                 (i32.const 1) (i32.const 0x32)))))",
    ),
    // Two of the three keys: a and c.
    ("(call $delete-many B (i32.const 0x540) (i32.const 2) R)", "(call $ok)"),
    ("(call $exists B A R)", NO),
    // It is one store by all its names.
    ("(call $spin-open (i32.const 0x500) (i32.const 7) R)", "(call $ok)"),
    (
        "(local.set $spin (i32.load (i32.const 0x604))) (call $spin-get S BB R)",
        "(call $value (i32.const 0x32))",
    ),
    ("(call $spin-set S C (i32.const 0x521) (i32.const 1) R)", "(call $ok)"),
    ("(call $exists B C R)", YES),
    ("(call $spin-exists S BB R)", YES),
    ("(call $spin-delete S BB R)", "(call $ok)"),
    ("(call $spin-exists S BB R)", NO),
    // What a cache that belongs to all models does not do for a guest.
    ("(call $list-keys B (i32.const 0) (i32.const 0) (i32.const 0) R)", REFUSED),
    ("(call $spin-get-keys S R)", REFUSED),
    ("(call $increment B A (i64.const 1) R)", "(i32.load8_u (i32.const 0x600))"),
    ("(call $new B A R)", REFUSED),
    // Another model's keys, and the store's own.
    ("(call $get B F R)", DENIED),
    ("(call $set B F (i32.const 0x520) (i32.const 1) R)", DENIED),
    ("(call $delete B F R)", DENIED),
    ("(call $exists B F R)", DENIED),
    ("(call $delete B G R)", DENIED),
    ("(call $get-many B (i32.const 0x5b0) (i32.const 2) R)", DENIED),
    ("(call $set-many B (i32.const 0x5d0) (i32.const 2) R)", DENIED),
    ("(call $delete-many B (i32.const 0x5b0) (i32.const 2) R)", DENIED),
    ("(call $spin-get S F R)", SPIN_DENIED),
    ("(call $spin-set S G (i32.const 0x521) (i32.const 1) R)", SPIN_DENIED),
    ("(call $spin-delete S F R)", SPIN_DENIED),
    ("(call $spin-exists S F R)", SPIN_DENIED),
];
const YES: &str = "(call $ok-and (i32.const 1))";
const NO: &str = "(call $ok-and (i32.const 0))";
/// The error `access-denied`.
const DENIED: &str = "(i32.and (i32.load8_u (i32.const 0x600))
    (i32.eq (i32.load8_u (i32.const 0x604)) (i32.const 1)))";
const SPIN_DENIED: &str = "(i32.and (i32.load8_u (i32.const 0x600))
    (i32.eq (i32.load8_u (i32.const 0x604)) (i32.const 2)))";
/// The error `other`, which has the same position in both interfaces' types less one.
const REFUSED: &str = "(i32.and (i32.load8_u (i32.const 0x600))
    (i32.ge_u (i32.load8_u (i32.const 0x604)) (i32.const 2)))";

/// The part of a component that calls all functions, and defines `$call`.
pub(crate) fn calls() -> String {
    let lowered = FUNCTIONS.map(|[instance, name, short]| {
        format!(
            "(core func ${instance}-{short} (canon lower (func ${instance} \"{name}\")
               (memory (core memory $memory \"memory\"))
               (realloc (core func $memory \"realloc\"))))"
        )
    });
    let steps = STEPS.map(|(call, holds)| {
        let call = call
            .replace(" BB ", " (i32.const 0x720) (i32.const 26) ")
            .replace(" A ", " (i32.const 0x700) (i32.const 26) ")
            .replace(" C ", " (i32.const 0x740) (i32.const 26) ")
            .replace(" F ", " (i32.const 0x760) (i32.const 26) ")
            .replace(" G ", " (i32.const 0x780) (i32.const 20) ")
            .replace(" B ", " (local.get $bucket) ")
            .replace(" S ", " (local.get $spin) ")
            .replace(" R)", " (i32.const 0x600))");
        format!(
            "{call} (if (i32.eqz {holds}) (then return))
             (i32.store offset=4 (local.get $list)
               (i32.add (i32.const 1) (i32.load offset=4 (local.get $list))))"
        )
    });
    let calls = CALLS.replace("LOWERED", &lowered.join("\n")).replace("STEPS", &steps.join("\n"));
    [EVERY_KEY_VALUE_INTERFACE, &calls].concat()
}

#[test]
fn every_function_of_spins_key_value_interfaces_answers_as_it_should() {
    for layout in layouts().into_iter().filter(|layout| *layout != "packed") {
        // An empty one for each: what one leaves behind, the other might find.
        let redis = Redis::start();
        check_calls(&["--store", &format!("{}?layout={layout}", redis.url())]);
    }
    check_calls(&["--store", "memory:"]);
}

/// Asserts that all calls go as expected under a host with these options.
pub(crate) fn check_calls(options: &[&str]) {
    let host = serve_with_import(&calls(), options);
    let answer = host.post("/import", "");
    assert_eq!(answer.status, 200, "{options:?}: {answer:?}");
    let steps = usize::from(answer.body.as_bytes()[0] - b'0');
    assert_eq!(steps, STEPS.len(), "{options:?}: {:?} went wrong", STEPS.get(steps));
}

#[test]
fn a_component_may_import_all_of_spins_key_value_interfaces() {
    let import = [EVERY_KEY_VALUE_INTERFACE, NO_IMPORT].concat();
    let host = serve_with_import(&import, &[]);
    assert_eq!(host.post("/none", "").status, 200);
    // It is the host that looks: a function that is not there is missed.
    let import = import.replace("[method]store.get-keys", "[method]store.get-all-keys");
    let error = refusal(&component("", &import), &[]);
    assert!(error.contains("does not fit this host"), "{error}");
}
