//! The prompt library: which recording a clip is, rendered, uploaded or shipped.
