//! The media threads: RTP sockets, the tick, batches; the portable back end.
