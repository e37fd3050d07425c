//! The main job on loopback, for a newcomer to watch.
