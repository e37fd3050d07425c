//! Says whose events have become durable, to the one who sends them. Owns the names until they are taken; nothing is lost when nobody
//! listens, and nobody is waited for.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::outbox::Outlet;

/// Rung by the writer, listened to by the sender.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<BTreeSet<Outlet>>,
    notify: Notify,
}

impl Bell {
    /// Something is to be sent there.
    pub fn ring(&self, outlets: BTreeSet<Outlet>) {
        if outlets.is_empty() {
            return;
        }
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).extend(outlets);
        self.notify.notify_one();
    }

    /// Waits until there is something, and takes it.
    pub async fn heard(&self) -> BTreeSet<Outlet> {
        loop {
            let rung = std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner));
            if !rung.is_empty() {
                return rung;
            }
            self.notify.notified().await;
        }
    }
}
