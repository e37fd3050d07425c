//! Which threads go before which when there is more to do than time. Owns the order; refuses to insist on it where the system does not
//! allow it.
//!
//! Voice that is late is lost; a SIP message that is late is sent again; a request over HTTP is only slower. So media goes first, then
//! the engine, then everything else.

/// A thread that goes before the daemon's others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum First {
    /// Media.
    Voice,
    /// The engine.
    Signalling,
}

/// Lets the calling thread go before the others, where the system allows it (CAP_SYS_NICE, or a limit of `nice`).
pub fn go_first(as_: First) {
    let nice = match as_ {
        First::Voice => -10,
        First::Signalling => -5,
    };
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), nice) {
        tracing::debug!(%error, thread = ?as_, "this thread has no priority over the others");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_goes_first_and_only_where_it_may() {
        let nice = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = nice();
        let (there, wanted) = std::thread::spawn(move || {
            go_first(First::Voice);
            (nice(), before.min(-10))
        })
        .join()
        .unwrap();
        assert!(there == wanted || there == before, "{there}: refused, or as asked");
        assert_eq!(nice(), before, "nobody else");
    }
}
