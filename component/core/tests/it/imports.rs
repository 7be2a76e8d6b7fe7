//! Files of this crate import each other in one direction only.

#[path = "../../../../tests/circles.rs"]
mod circles;

#[test]
fn no_files_import_each_other_in_a_circle() {
    circles::refuse(env!("CARGO_MANIFEST_DIR"));
}
