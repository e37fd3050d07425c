//! Our requests inside dialogs: PRACK, UPDATE, re-INVITE, BYE. Owns that all of them are written and started in one place, so
//! that each can be written again (`retry`). Refuses to know why they are sent.

use super::table::{Asked, Carried, ClientTx, Draft};
use super::write;
use super::{ClientMachine, Stack};
use crate::clock::Mono;
use crate::sip::transaction::NonInviteClient;
use crate::sip::wire::Method;

impl Stack {
    /// Sends a request in a dialog with the dialog's next CSeq number; false when it cannot be written.
    pub(super) fn start_request(
        &mut self,
        now: Mono,
        at: usize,
        fork: usize,
        method: Method,
        mut draft: Draft,
    ) -> bool {
        let branch = self.branch();
        let Some(leg) = self.tables.legs.get_mut(at) else { return false };
        let invite = leg.cseq;
        let Some(dialog) = leg.usage.fork_mut(fork) else { return false };
        dialog.local_cseq = dialog.local_cseq.saturating_add(1);
        let Some(dialog) = leg.usage.fork(fork) else { return false };
        let to = dialog.next_hop(&leg.hop, &self.config.sources);
        let (uri, _) = dialog.way();
        draft.retry_fields = self.keyring.authorize(&leg.hop, leg.trunk.credentials.as_ref(), &method, uri);
        let Some(bytes) = write::request(&self.config, leg, dialog, &to, &method, branch, &draft) else { return false };
        let (machine, step) = NonInviteClient::start(now, bytes, self.config.timers, to.transport.into());
        let machine = ClientMachine::Other(machine);
        let carried = Carried::Request(Some(Box::new(Asked { method: method.clone(), fork, invite, draft })));
        let tx = self.tables.add_client(ClientTx { machine, leg: at, carried, to, method, branch });
        self.send_step(tx, step);
        self.client_timer(tx);
        true
    }
}
