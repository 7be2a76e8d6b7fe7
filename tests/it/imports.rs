//! What the component asks of its host: exactly the written list.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// A store, clocks, HTTP types for the standard handler, and what Rust's standard library drags
/// in. Our host links the last empty: no files, no environment, no arguments, no sockets.
const IMPORTS: &str = include_str!("../../wit/imports.txt");

#[test]
fn the_component_imports_what_is_written_down_and_no_more() {
    let engine = Engine::default();
    let component = Component::new(&engine, foretold::component::edge().unwrap()).unwrap();
    let component = component.component_type();
    let mut imports: Vec<String> = component
        .imports(&engine)
        .map(|(name, import)| {
            let ComponentItem::ComponentInstance(interface) = import.ty else { panic!("{name}") };
            let functions = interface
                .exports(&engine)
                .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
            let mut functions: Vec<&str> = functions.map(|(function, _)| function).collect();
            functions.sort_unstable();
            format!("{name} {}", functions.join(" ")).trim_end().to_owned()
        })
        .collect();
    imports.sort_unstable();
    let written: Vec<&str> =
        IMPORTS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(imports, written, "it imports\n{}", imports.join("\n"));
}
