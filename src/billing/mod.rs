//! Call detail records and rating, in integers. Pure.
