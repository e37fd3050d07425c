//! Bugs planted in what a carrier's switch relies on: PRACK, session timers, digest, another try, transfer, hold. Owns the
//! alterations of single SIP messages; which bug is planted and how it must be caught is `planted`'s.

use std::time::Duration;

use callbridge::engine::api::Output;
use callbridge::sip::api::Way;

use super::{Bug, Planted, altered, lines};

/// What the world sees of a message that the engine sends.
pub(super) fn send(planted: &mut Planted, output: Output) -> Vec<Output> {
    let Output::Send { note, bytes, .. } = &output else { return vec![output] };
    if note.way != Way::Out {
        return vec![output];
    }
    let request = note.status.is_none();
    let is = |method: &str| request && note.method == method;
    let answers = |method: &str| !request && note.method == method && note.status.is_some_and(|s| s >= 200);
    let says = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    match planted.bug {
        Bug::NoPrack if is("PRACK") => vec![],
        Bug::PrackWithWrongRack if is("PRACK") => vec![altered(&output, "RAck: ", "RAck: 1")],
        Bug::PrackTwice if is("PRACK") => {
            let again = next_cseq(&altered(&output, "branch=z9hG4bK", "branch=z9hG4bKx"));
            vec![output, again]
        }
        Bug::RetryWithOldCseq if is("INVITE") && note.cseq == 2 && !says("INVITE sip:phone") => {
            vec![altered(&output, "CSeq: 2 INVITE", "CSeq: 1 INVITE")]
        }
        Bug::RetryWithAnotherTag if is("INVITE") && note.cseq == 2 => vec![altered(&output, ";tag=", ";tag=x")],
        Bug::HoldAnsweredBySendRecv if answers("INVITE") && says("a=recvonly") => {
            vec![altered(&output, "a=recvonly", "a=sendrecv")]
        }
        Bug::RefresherForgets if is("UPDATE") || (is("INVITE") && note.cseq > 2 && says("refresher=uac")) => vec![],
        Bug::TimerLeftOutOfAnswers if !request => vec![altered(&output, "Session-Expires: ", "X-Session: ")],
        Bug::ExpiryIgnored if is("BYE") && says("session expired") => vec![],
        Bug::SilenceIsConsent if is("BYE") && says("does not answer any more") => vec![],
        Bug::WrongDigest if request => vec![altered(&output, "response=\"", "response=\"0")],
        Bug::NonceCountStuck if request => vec![altered(&output, "nc=00000002", "nc=00000001")],
        Bug::CredentialsForAnybody if is("INVITE") && note.cseq == 1 => {
            let credentials = "Authorization: Digest username=\"callbridge\", realm=\"other\", nonce=\"1\", \
                               uri=\"sip:x\", response=\"0\"\r\nMax-Forwards: 70";
            vec![altered(&output, "Max-Forwards: 70", credentials)]
        }
        Bug::NoNotify if is("NOTIFY") => vec![],
        Bug::NotifyNeverEnds if is("NOTIFY") => {
            vec![altered(&output, "Subscription-State: terminated", "Subscription-State: active")]
        }
        Bug::LastNotifyTwice if is("NOTIFY") && says("terminated") => {
            let again = next_cseq(&altered(&output, "branch=z9hG4bK", "branch=z9hG4bKx"));
            vec![output, again]
        }
        Bug::CustomerTransfers if answers("REFER") && note.leg.is_some_and(|leg| leg.attempt == 0) => {
            vec![altered(&output, "SIP/2.0 603", "SIP/2.0 202")]
        }
        Bug::OddMethodAccepted if answers("OTHER") => vec![altered(&output, "SIP/2.0 501", "SIP/2.0 200")],
        Bug::InviteAfterCancel if is("CANCEL") => {
            let invite = altered(&altered(&output, "CANCEL", "INVITE"), "Call-ID: ", "Call-ID: y");
            planted.later.push((Duration::from_millis(1_200), invite));
            vec![output]
        }
        _ if note.leg.is_some() && lines::planted(planted.bug) => lines::send(planted, output),
        _ => super::roads::send(planted, output),
    }
}

/// The same request with the next CSeq number, as another transaction would have it.
pub(super) fn next_cseq(output: &Output) -> Output {
    let Output::Send { note, .. } = output else { return Output::Drained };
    let line = |number: u32| format!("CSeq: {number} {}", note.method);
    altered(output, &line(note.cseq), &line(note.cseq + 1))
}
