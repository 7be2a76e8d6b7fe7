//! The innermost loops of Foretold's operators.
//!
//! Components are compiled for size. These loops are a crate of their own so that they, and they
//! alone, are compiled for speed: see `[profile.component.package.foretold-kernels]` in the
//! workspace's Cargo.toml. So nothing here is generic for callers: a generic function would be
//! compiled with theirs.
//!
//! In WebAssembly the host's time limit costs a check in each turn of a loop, so a turn does the
//! work of several rows, columns or trees. Each sum is still made alone and in the order of its
//! parts, so its bits are those of a loop that does one after the other.

pub mod columns;
pub mod elements;
pub mod exponential;
pub mod nodes;
pub mod product;
pub mod similarity;
pub mod trees;
