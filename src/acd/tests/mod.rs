//! The distribution as a whole: stories, properties, fairness, a virtual day against Erlang's formulas.

mod day;
mod erlang;
mod fairness;
mod properties;
mod stories;
mod world;
