//! What the fuzz targets run: the functions of `tests/parsers`, so that `./check` runs them too.

#[path = "../../tests/parsers/bodies.rs"]
pub mod bodies;
