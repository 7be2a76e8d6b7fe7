//! Hostile components: whatever one does, its request gets an answer, and the next one is served.
//!
//! They are one component, written by hand and told by the path of a request what to do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::answer::Answer;
use crate::harness::host::Host;
use crate::harness::refusal::refusal_at_start;

/// Longer than a host may take to refuse one of these components.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A component that answers with the number of requests its instance has seen, or its last digit.
///
/// Addresses: from 0x100 texts, 0x200 the results of `configure` and `describe`, 0x300 the response, 0x380 its
/// header, 0x400 what the import returns, from 0x1000 what the host puts into memory.
const COMPONENT: &str = r#"
(component
  (core module $memory
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 0x1000))
    (func (export "realloc") (param i32 i32 i32) (param $length i32) (result i32)
      (global.get $free)
      (global.set $free (i32.and (i32.const -8)
        (i32.add (i32.const 7) (i32.add (global.get $free) (local.get $length))))))
    (func (export "reset") (param i32) (global.set $free (i32.const 0x1000))))
  (core instance $memory (instantiate $memory))

  IMPORT

  (core module $main
    (import "memory" "memory" (memory $memory 1))
    (import "host" "call" (func $call (param i32)))
    (memory $other 0)
    (table $table 1 funcref)
    (data (memory $memory) (i32.const 0x100) "hostile/answerx-requests0")
    (data (memory $memory) (i32.const 0x120) "x requests")
    (data (memory $memory) (i32.const 0x130) "0\r\nx: 0")
    (data (memory $memory) (i32.const 0x140) "content-length0")
    (data (memory $memory) (i32.const 0x150) "hostile-model-0")

    (func (export "configure") (param i32) (result i32)
      CONFIGURE
      (i32.const 0x200))

    (func (export "describe") (result i32)
      ;; model: hostile; model-id: hostile-model-0; one endpoint: /answer
      (i32.store (i32.const 0x204) (i32.const 0x100)) (i32.store (i32.const 0x208) (i32.const 7))
      (i32.store (i32.const 0x20c) (i32.const 0x150)) (i32.store (i32.const 0x210) (i32.const 15))
      (i32.store (i32.const 0x214) (i32.const 60))
      (i32.store (i32.const 0x218) (i32.const 0x240)) (i32.store (i32.const 0x21c) (i32.const 1))
      (i32.store (i32.const 0x240) (i32.const 0x107)) (i32.store (i32.const 0x244) (i32.const 7))
      (i32.const 0x200))

    (func (export "handle")
      (param i32 i32) (param $target i32) (param i32 i32 i32 i32 i32 i32) (result i32)
      (local $act i32) (local $i i32) (local $j i32) (local $name i32) (local $header i32)
      (local.set $act (i32.load8_u offset=1 (local.get $target)))
      (i32.store8 (i32.const 0x118)
        (i32.add (i32.const 48)
          (i32.rem_u (i32.sub (i32.load8_u (i32.const 0x118)) (i32.const 47)) (i32.const 10))))
      ;; status: 200; headers: x-requests, with the number; body: the number; log: none
      (i32.store16 (i32.const 0x300) (i32.const 200))
      (i32.store (i32.const 0x304) (i32.const 0x380)) (i32.store (i32.const 0x308) (i32.const 1))
      (i32.store (i32.const 0x380) (i32.const 0x10e)) (i32.store (i32.const 0x384) (i32.const 10))
      (i32.store (i32.const 0x388) (i32.const 0x118)) (i32.store (i32.const 0x38c) (i32.const 1))
      (i32.store (i32.const 0x30c) (i32.const 0x118)) (i32.store (i32.const 0x310) (i32.const 1))
      (i32.store8 (i32.const 0x314) (i32.const 0))
      ;; report, from 0x320: no endpoint, and nothing done
      (memory.fill (i32.const 0x320) (i32.const 0) (i32.const 80))
      ACTS
      (i32.const 0x300)))

  (core instance $main (instantiate $main
    (with "memory" (instance $memory))
    (with "host" (instance (export "call" (func $call))))))

  (type $kind' (enum "packed" "digest" "readable" "repr"))
  (export $kind "key-kind" (type $kind'))
  (type $allowed' (record
    (field "no-cache" bool) (field "no-store" bool) (field "max-age" bool)
    (field "only-if-cached" bool) (field "cache-status" bool) (field "query" bool)))
  (export $allowed "allowed" (type $allowed'))
  (type $settings' (record
    (field "store" string) (field "ttl-seconds" (option u32))
    (field "endpoint-ttl-seconds" (list (tuple string u32)))
    (field "key-kind" $kind) (field "key-secret" (option (list u8)))
    (field "mac-secret" (option (list u8))) (field "allowed" $allowed)
    (field "cors" (list string))))
  (type $description' (record
    (field "model" string) (field "model-id" string) (field "ttl-seconds" u32)
    (field "paths" (list (tuple string u32))) (field "request-headers" (list string))))
  (type $header' (record (field "name" string) (field "value" string)))
  (export $settings "settings" (type $settings'))
  (export $description "description" (type $description'))
  (export $header "header" (type $header'))
  (type $request' (record
    (field "method" string) (field "target" string) (field "headers" (list $header))
    (field "body" (list u8)) (field "bypass-store" bool)))
  (type $report' (record
    (field "endpoint" (option u32)) (field "hits" u32) (field "misses" u32)
    (field "bypassed" u32) (field "refused" u32) (field "stored" u32) (field "dropped" u32)
    (field "corrupt" u32) (field "expired" u32) (field "unavailable" u32)
    (field "lookup-ns" (option u64)) (field "model-ns" (option u64))))
  (export $report "report" (type $report'))
  (type $reuse' (record
    (field "written-at" u32) (field "expires-at" u32) (field "until" u32)
    (field "cache-status" (option (tuple string string)))))
  (export $reuse "reuse" (type $reuse'))
  (type $response' (record
    (field "status" u16) (field "headers" (list $header)) (field "body" (list u8))
    (field "log" (option string)) (field "report" $report)
    (field "reuse" (option $reuse))))
  (export $request "request" (type $request'))
  (export $response "response" (type $response'))
  (func $configure (param "settings" $settings) (result (result (error string)))
    (canon lift (core func $main "configure")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))
      (post-return (core func $memory "reset"))))
  (func $describe (result (result $description (error string)))
    (canon lift (core func $main "describe")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))
      (post-return (core func $memory "reset"))))
  (func $handle (param "request" $request) (result $response)
    (canon lift (core func $main "handle")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))
      (post-return (core func $memory "reset"))))
  (instance (export "foretold:component/handler@0.1.0")
    (export "key-kind" (type $kind)) (export "allowed" (type $allowed))
    (export "report" (type $report))
    (export "reuse" (type $reuse))
    (export "settings" (type $settings))
    (export "header" (type $header)) (export "request" (type $request))
    (export "response" (type $response))
    (export "configure" (func $configure)) (export "handle" (func $handle)))
  (instance (export "foretold:component/about@0.1.0")
    (export "description" (type $description)) (export "describe" (func $describe))))
"#;

/// What a request for a path makes `handle` do; the first letter of the path decides.
const ACTS: [(&str, &str); 16] = [
    ("/loop", "(loop $again (br $again))"),
    ("/trap", "unreachable"),
    // A word for the log.
    (
        "/remark",
        "(i32.store8 (i32.const 0x314) (i32.const 1))
         (i32.store (i32.const 0x318) (i32.const 0x100))
         (i32.store (i32.const 0x31c) (i32.const 7))",
    ),
    // Takes memory and uses it until there is no more.
    (
        "/grow",
        "(loop $again
           (if (i32.eq (memory.grow $memory (i32.const 16)) (i32.const -1)) (then unreachable))
           (i32.store8
             (i32.sub (i32.shl (memory.size $memory) (i32.const 16)) (i32.const 1)) (i32.const 1))
           (br $again))",
    ),
    // Two memories of 6 MiB.
    (
        "/both",
        "(if (i32.eq (memory.grow $memory (i32.const 96)) (i32.const -1)) (then unreachable))
         (if (i32.eq (memory.grow $other (i32.const 96)) (i32.const -1)) (then unreachable))",
    ),
    // A table of 64 MiB: each element is a pointer of the host's.
    (
        "/fill",
        "(if (i32.eq (table.grow $table (ref.null func) (i32.const 0x800000)) (i32.const -1))
           (then unreachable))",
    ),
    // A body beyond the end of memory.
    ("/outside", "(i32.store (i32.const 0x30c) (i32.const 0xfffffff0))"),
    // The response itself beyond the end of memory.
    ("/pointer", "(return (i32.const 0xfffffff0))"),
    ("/status", "(i32.store16 (i32.const 0x300) (i32.const 99))"),
    // A status that announces another response.
    ("/early", "(i32.store16 (i32.const 0x300) (i32.const 103))"),
    // A header's name with a space in it.
    ("/name", "(i32.store (i32.const 0x380) (i32.const 0x120))"),
    // A header's value with a line break in it.
    (
        "/value",
        "(i32.store (i32.const 0x388) (i32.const 0x130))
         (i32.store (i32.const 0x38c) (i32.const 7))",
    ),
    // A length of 0 for a body of 1.
    (
        "/cut",
        "(i32.store (i32.const 0x380) (i32.const 0x140))
         (i32.store (i32.const 0x384) (i32.const 14))
         (i32.store (i32.const 0x388) (i32.const 0x14e))",
    ),
    // 40000 headers: their names from 0x10000, four letters each, the list from 0x40000.
    (
        "/headers",
        "(if (i32.eq (memory.grow $memory (i32.const 16)) (i32.const -1)) (then unreachable))
         (loop $again
           (local.set $name (i32.add (i32.const 0x10000) (i32.shl (local.get $i) (i32.const 2))))
           (loop $letter
             (i32.store8 (i32.add (local.get $name) (local.get $j))
               (i32.add (i32.const 97)
                 (i32.and (i32.shr_u (local.get $i) (i32.shl (local.get $j) (i32.const 2)))
                   (i32.const 15))))
             (local.set $j (i32.add (local.get $j) (i32.const 1)))
             (br_if $letter (i32.lt_u (local.get $j) (i32.const 4))))
           (local.set $j (i32.const 0))
           (local.set $header (i32.add (i32.const 0x40000) (i32.shl (local.get $i) (i32.const 4))))
           (i32.store (local.get $header) (local.get $name))
           (i32.store offset=4 (local.get $header) (i32.const 4))
           (i32.store offset=8 (local.get $header) (i32.const 0x118))
           (i32.store offset=12 (local.get $header) (i32.const 1))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const 40000))))
         (i32.store (i32.const 0x304) (i32.const 0x40000))
         (i32.store (i32.const 0x308) (i32.const 40000))",
    ),
    // A report of the greatest numbers, for an endpoint that is not there.
    (
        "/xerxes",
        "(memory.fill (i32.const 0x320) (i32.const 0xff) (i32.const 80))
         (i32.store8 (i32.const 0x320) (i32.const 1))
         (i32.store8 (i32.const 0x350) (i32.const 1)) (i32.store8 (i32.const 0x360) (i32.const 1))",
    ),
    // The answer is the length of the list that the import returns.
    (
        "/import",
        "(call $call (i32.const 0x400))
         (i32.store8 (i32.const 0x118) (i32.add (i32.const 48) (i32.load (i32.const 0x404))))",
    ),
];

/// For components that import nothing.
pub(crate) const NO_IMPORT: &str = r#"
  (core module $none (func (export "call") (param i32)))
  (core instance $none (instantiate $none))
  (alias core export $none "call" (core func $call))"#;

/// A component with its own start of `configure` and its own import, which defines `$call`.
pub(crate) fn component(configure: &str, import: &str) -> Vec<u8> {
    let acts = ACTS.map(|(path, act)| {
        let letter = path.as_bytes()[1];
        format!("(if (i32.eq (local.get $act) (i32.const {letter})) (then {act}))")
    });
    let text = COMPONENT
        .replace("CONFIGURE", configure)
        .replace("IMPORT", import)
        .replace("ACTS", &acts.join("\n"));
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes a component to a file, which lives as long as its folder.
fn file(folder: &TempDir, component: &[u8]) -> PathBuf {
    let path = folder.path().join("hostile.wasm");
    std::fs::write(&path, component).unwrap();
    path
}

/// Serves the component that imports nothing.
fn serve(options: &[&str]) -> Host {
    serve_with_import(NO_IMPORT, options)
}

pub(crate) fn serve_with_import(import: &str, options: &[&str]) -> Host {
    let folder = TempDir::new().unwrap();
    Host::start(&file(&folder, &component("", import)), options)
}

/// Starts a host with a component that it refuses, and returns what it says.
pub(crate) fn refusal(component: &[u8], options: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let start = Instant::now();
    let error = refusal_at_start(&file(&folder, component), options, &[]);
    assert!(start.elapsed() < START_LIMIT, "{error}");
    error
}

fn assert_problem(answer: &Answer, path: &str, status: u16, name: &str) {
    let document = answer.problem(status);
    assert_eq!(document["type"], format!("urn:foretold:problem:{name}"), "{path}");
}

/// Asserts that a path gets 500, and the next request a fresh instance.
fn assert_breaks(host: &Host, path: &str) {
    assert_problem(&host.post(path, ""), path, 500, "component-failed");
    assert_eq!(host.post("/answer", "").body, "1", "after {path}");
}

#[test]
fn a_warm_instance_goes_on_where_it_was_and_a_trap_starts_a_new_one() {
    let host = serve(&[]);
    for number in ["1", "2", "3"] {
        let answer = host.post("/answer", "");
        assert_eq!((answer.status, answer.body.as_str()), (200, number));
        assert_eq!(answer.header("x-requests"), number);
    }
    assert_breaks(&host, "/trap");
    assert_eq!(host.post("/answer", "").body, "2");
}

#[test]
fn what_a_component_says_to_the_log_is_logged_and_not_answered() {
    let mut host = serve(&[]);
    let answer = host.post("/remark", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "1"));
    host.wait_for_log("WARN hostile", Duration::from_secs(1));
    host.post("/answer", "");
    assert_eq!(host.log().matches("WARN").count(), 1, "{}", host.log());
}

#[test]
fn an_isolated_instance_knows_nothing_of_earlier_requests() {
    let host = serve(&["--isolate"]);
    for _ in 0..5 {
        assert_eq!(host.post("/answer", "").body, "1");
    }
}

#[test]
fn an_endless_request_gets_504_while_others_are_answered() {
    let host = serve(&["--timeout-ms", "300"]);
    let slowest = std::thread::scope(|scope| {
        let endless = [(); 4].map(|()| {
            scope.spawn(|| {
                let start = Instant::now();
                (host.post("/loop", ""), start.elapsed())
            })
        });
        let mut slowest = Duration::ZERO;
        while !endless.iter().all(|request| request.is_finished()) {
            let start = Instant::now();
            assert_eq!(host.post("/answer", "").status, 200);
            slowest = slowest.max(start.elapsed());
        }
        for request in endless {
            let (answer, time) = request.join().unwrap();
            assert_problem(&answer, "/loop", 504, "timed-out");
            assert!(time >= Duration::from_millis(300), "{time:?}");
            assert!(time < Duration::from_millis(600), "{time:?}");
        }
        slowest
    });
    assert!(slowest < Duration::from_millis(200), "{slowest:?}");
}

#[test]
fn an_instance_that_needs_too_much_memory_gets_500() {
    assert_breaks(&serve(&["--max-memory-mib", "8"]), "/grow");
}

#[test]
fn several_memories_and_tables_have_the_limit_of_one() {
    let host = serve(&["--max-memory-mib", "8"]);
    for path in ["/both", "/fill"] {
        assert_breaks(&host, path);
    }
}

#[test]
fn a_component_of_too_many_parts_is_not_served() {
    let parts = "(core module $part (global i32 (i32.const 0)))".to_owned()
        + &"(core instance (instantiate $part))".repeat(300);
    let error = refusal(&component("", &[NO_IMPORT, &parts].concat()), &[]);
    assert!(error.contains("instance count too high"), "{error}");
    // What the host keeps for globals is memory too.
    let globals = "(global (mut i32) (i32.const 0))".repeat(100_000);
    let part = format!("(core module $part {globals}) (core instance (instantiate $part))");
    let error = refusal(&component("", &[NO_IMPORT, &part].concat()), &[]);
    assert!(error.contains("has 100000 globals"), "{error}");
}

#[test]
fn a_response_outside_of_memory_gets_500() {
    let host = serve(&[]);
    for path in ["/outside", "/pointer"] {
        assert_breaks(&host, path);
    }
}

#[test]
fn a_response_that_http_cannot_carry_gets_500() {
    let host = serve(&[]);
    for path in ["/status", "/early", "/headers"] {
        assert_problem(&host.post(path, ""), path, 500, "component-failed");
        assert_eq!(host.post("/answer", "").status, 200, "after {path}");
    }
}

#[test]
fn a_report_of_nonsense_does_no_harm() {
    let mut host = serve(&["--metrics", "127.0.0.1:0", "--cache", "auto"]);
    for _ in 0..3 {
        let answer = host.post("/xerxes", "");
        assert_eq!((answer.status, answer.header("x-requests")), (200, answer.body.as_str()));
    }
    let metrics = host.metrics();
    assert_eq!(metrics.value("foretold_hits_total", &[("endpoint", "")]), 3.0 * 4294967295.0);
    assert_eq!(metrics.value("foretold_requests_total", &[("endpoint", "")]), 12.0 * 4294967295.0);
    assert_eq!(metrics.value("foretold_requests_total", &[("endpoint", "/answer")]), 0.0);
}

#[test]
fn an_illegal_header_is_left_out_and_logged() {
    let mut host = serve(&[]);
    for path in ["/name", "/value"] {
        let answer = host.post(path, "");
        assert_eq!(answer.status, 200);
        let names: Vec<&str> = answer.headers.keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["content-length", "date"], "{path}");
    }
    host.wait_for_log("illegal header \"x requests\"", Duration::from_secs(1));
    host.wait_for_log("illegal header \"x-requests\"", Duration::from_secs(1));
}

#[test]
fn the_length_of_a_response_is_the_hosts_business() {
    let host = serve(&[]);
    let mut stream = TcpStream::connect(host.address.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(b"GET /cut HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let lengths: Vec<&str> =
        response.lines().filter(|line| line.to_lowercase().starts_with("content-length")).collect();
    assert_eq!(lengths, ["content-length: 1"], "{response}");
}

#[test]
fn a_component_that_refuses_its_settings_is_not_served_and_its_words_are_shown() {
    // The error: the text at 0x100.
    let refuse = "(i32.store8 (i32.const 0x200) (i32.const 1))
        (i32.store (i32.const 0x204) (i32.const 0x100)) (i32.store (i32.const 0x208) (i32.const 7))
        (return (i32.const 0x200))";
    let error = refusal(&component(refuse, NO_IMPORT), &[]);
    assert!(error.contains("error: hostile"), "{error}");
}

#[test]
fn a_component_that_traps_at_its_start_is_not_served() {
    let error = refusal(&component("unreachable", NO_IMPORT), &[]);
    assert!(error.contains("wasm `unreachable` instruction executed"), "{error}");
}

#[test]
fn a_component_that_never_gets_ready_is_not_served() {
    let error = refusal(&component("(loop $again (br $again))", NO_IMPORT), &[]);
    assert!(error.contains("was not ready"), "{error}");
}

#[test]
fn a_component_without_the_handler_is_not_served() {
    let error = refusal(&wat::parse_str("(component)").unwrap(), &[]);
    assert!(error.contains("not a Foretold component"), "{error}");
}

#[test]
fn a_component_that_wants_more_than_there_is_is_not_served() {
    let vault = imported_list("acme:vault/vault@1.0.0", "open", "u8");
    let error = refusal(&component("", &vault), &[]);
    assert!(error.contains("does not fit this host"), "{error}");
    assert!(error.contains("acme:vault/vault@1.0.0"), "{error}");
}

#[test]
fn a_component_reads_the_clock_whatever_version_of_wasi_it_was_built_with() {
    for version in ["0.2.0", "0.2.3", "0.2.12"] {
        let host = serve_with_import(&CLOCK.replace("VERSION", version), &[]);
        let answer = host.post("/import", "");
        assert_eq!((answer.status, answer.body.as_str()), (200, "1"), "{version}");
    }
}

#[test]
fn a_component_sees_no_environment_no_arguments_and_no_files() {
    let cases = [
        ("wasi:cli/environment@0.2.0", "get-environment", "(tuple string string)"),
        ("wasi:cli/environment@0.2.0", "get-arguments", "string"),
        ("wasi:filesystem/preopens@0.2.0", "get-directories", "(tuple (own $descriptor) string)"),
    ];
    for (interface, function, element) in cases {
        let host = serve_with_import(&imported_list(interface, function, element), &[]);
        let answer = host.post("/import", "");
        assert_eq!((answer.status, answer.body.as_str()), (200, "0"), "{function}");
    }
}

#[test]
fn a_component_gets_no_socket() {
    let host = serve_with_import(SOCKET, &[]);
    let answer = host.post("/import", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "0"));
}

#[test]
fn a_component_that_exits_ends_its_instance_and_not_the_host() {
    let exit = r#"
  (import "wasi:cli/exit@0.2.0" (instance $host
    (export "exit" (func (param "status" (result))))))
  (core func $exit (canon lower (func $host "exit")))
  (core module $adapter
    (import "host" "exit" (func $exit (param i32)))
    (func (export "call") (param i32) (call $exit (i32.const 0))))
  (core instance $adapter (instantiate $adapter
    (with "host" (instance (export "exit" (func $exit))))))
  (alias core export $adapter "call" (core func $call))"#;
    assert_breaks(&serve_with_import(exit, &[]), "/import");
}

/// Imports a function without parameters that returns a list.
fn imported_list(interface: &str, function: &str, element: &str) -> String {
    format!(
        r#"
  (import "wasi:filesystem/types@0.2.0" (instance $files
    (export "descriptor" (type (sub resource)))))
  (alias export $files "descriptor" (type $descriptor))
  (import "{interface}" (instance $host
    (export "{function}" (func (result (list {element}))))))
  (core func $call (canon lower (func $host "{function}")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))"#
    )
}

/// Imports the time of day; the answer is 1 for a time after 2001.
const CLOCK: &str = r#"
  (import "wasi:clocks/wall-clock@VERSION" (instance $host
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (export "now" (func (result $datetime)))))
  (core func $now (canon lower (func $host "now") (memory (core memory $memory "memory"))))
  (core module $adapter
    (import "memory" "memory" (memory 1))
    (import "host" "now" (func $now (param i32)))
    (func (export "call") (param $list i32)
      (call $now (local.get $list))
      (i32.store offset=4 (local.get $list)
        (i64.gt_u (i64.load (local.get $list)) (i64.const 1000000000)))))
  (core instance $adapter (instantiate $adapter
    (with "memory" (instance $memory))
    (with "host" (instance (export "now" (func $now))))))
  (alias core export $adapter "call" (core func $call))"#;

/// Imports the making of sockets; the answer is 1 for a socket and 0 for an error.
const SOCKET: &str = r#"
  (import "wasi:sockets/network@0.2.0" (instance $network
    (type $error' (enum "unknown" "access-denied" "not-supported" "invalid-argument"
      "out-of-memory" "timeout" "concurrency-conflict" "not-in-progress" "would-block"
      "invalid-state" "new-socket-limit" "address-not-bindable" "address-in-use"
      "remote-unreachable" "connection-refused" "connection-reset" "connection-aborted"
      "datagram-too-large" "name-unresolvable" "temporary-resolver-failure"
      "permanent-resolver-failure"))
    (type $family' (enum "ipv4" "ipv6"))
    (export "error-code" (type (eq $error')))
    (export "ip-address-family" (type (eq $family')))))
  (alias export $network "error-code" (type $error))
  (alias export $network "ip-address-family" (type $family))
  (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
  (alias export $tcp "tcp-socket" (type $socket))
  (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $host
    (export "create-tcp-socket" (func (param "address-family" $family)
      (result (result (own $socket) (error $error)))))))
  (core func $create (canon lower (func $host "create-tcp-socket")
    (memory (core memory $memory "memory"))))
  (core module $adapter
    (import "memory" "memory" (memory 1))
    (import "host" "create" (func $create (param i32 i32)))
    (func (export "call") (param $list i32)
      (call $create (i32.const 0) (local.get $list))
      (i32.store offset=4 (local.get $list) (i32.eqz (i32.load8_u (local.get $list))))))
  (core instance $adapter (instantiate $adapter
    (with "memory" (instance $memory))
    (with "host" (instance (export "create" (func $create))))))
  (alias core export $adapter "call" (core func $call))"#;
