//! What each artefact asks of its host: exactly the written list. And files of the host import
//! each other in one direction only.

#[path = "../circles.rs"]
mod circles;

use foretold::Target;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// Checks the generic component, whose imports baking leaves as they are.
fn check(target: Target, written: &str) {
    let engine = Engine::default();
    let component = Component::new(&engine, target.generic().unwrap()).unwrap();
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
        written.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(imports, written, "it imports\n{}", imports.join("\n"));
}

#[test]
fn the_artefact_for_the_edge_imports_what_is_written_down_and_no_more() {
    check(Target::Edge, include_str!("../../wit/imports/edge.txt"));
}

#[test]
fn the_artefact_for_spin_imports_what_is_written_down_and_no_more() {
    check(Target::Spin, include_str!("../../wit/imports/spin.txt"));
}

#[test]
fn the_artefact_for_programs_imports_what_is_written_down_and_no_more() {
    check(Target::Library, include_str!("../../wit/imports/library.txt"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    circles::refuse(env!("CARGO_MANIFEST_DIR"));
}
