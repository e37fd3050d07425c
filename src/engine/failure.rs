//! From the numbers of a failed leg to what the call understands. Owns the reading of SIP statuses and Q.850 causes as kinds of
//! failure (the table of docs/SPECIFICATION.md), and of which failures another switch may mend; the call itself never sees a
//! status.

use crate::call::FailureKind;
use crate::model::Cause;
use crate::routing::Failure;
use crate::sip::api::FailedWhy;

/// What a failed try says of its switch; none: the fault is not the switch's, and another one would do no better. RFC 3263 §4.3
/// names 503, a transport failure and silence. 502 and 504 speak of what lies behind this switch, which another way may
/// avoid; a 500 or 408 is as likely to meet the caller everywhere, and costs a second ring.
pub fn failure_of(cause: &Cause, why: FailedWhy) -> Option<Failure> {
    match (why, cause.sip_status) {
        (FailedWhy::Silent, _) => Some(Failure::Silent),
        (FailedWhy::Stalled, _) => Some(Failure::Stalled),
        (FailedWhy::Unreachable, _) => Some(Failure::Unreachable),
        (FailedWhy::Refused { .. }, Some(503)) => Some(Failure::OutOfService),
        (FailedWhy::Refused { .. }, Some(502 | 504)) => Some(Failure::Behind),
        (FailedWhy::Refused { .. } | FailedWhy::RangTooLong | FailedWhy::Local, _) => None,
    }
}

/// The kind of a failure. A Q.850 cause that the peer sent (RFC 3326) is more precise than the status, so it comes first
/// where it names one of the kinds.
pub fn kind_of(cause: &Cause, rang: bool) -> FailureKind {
    let quiet = if rang { FailureKind::NoAnswer } else { FailureKind::Unreachable };
    match (cause.sip_status, cause.q850) {
        // The switch wants better credentials of ours: nobody was called, nobody rejected anything.
        (Some(401 | 407), _) => FailureKind::Unreachable,
        (Some(486 | 600), _) | (_, Some(17)) => FailureKind::Busy,
        (Some(603 | 607 | 608), _) | (_, Some(21)) => FailureKind::Rejected,
        // Request timeout, temporarily unavailable, terminated: after ringing that is a phone nobody picked up.
        (Some(408 | 480 | 487), _) => quiet,
        (_, Some(18 | 19)) => quiet,
        _ => FailureKind::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, q850: u8, rang: bool) -> FailureKind {
        kind_of(&Cause { sip_status: Some(status), q850: Some(q850), text: String::new() }, rang)
    }

    #[test]
    fn statuses_are_read_as_kinds_of_failure() {
        assert_eq!(kind(486, 17, true), FailureKind::Busy);
        assert_eq!(kind(600, 17, false), FailureKind::Busy);
        assert_eq!(kind(603, 21, true), FailureKind::Rejected);
        assert_eq!(kind(480, 18, false), FailureKind::Unreachable);
        assert_eq!(kind(480, 18, true), FailureKind::NoAnswer);
        assert_eq!(kind(408, 102, true), FailureKind::NoAnswer);
        assert_eq!(kind(401, 21, false), FailureKind::Unreachable);
        assert_eq!(kind(407, 21, false), FailureKind::Unreachable);
        assert_eq!(kind(404, 1, false), FailureKind::Unreachable);
        assert_eq!(kind(503, 41, false), FailureKind::Unreachable);
        assert_eq!(kind(503, 17, false), FailureKind::Busy);
    }
}
