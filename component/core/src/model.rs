//! What a model takes and what is answered of what it gives, as its manifest says.

pub mod answer;
pub mod feature;
pub mod manifest;
pub mod step;
