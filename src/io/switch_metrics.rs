//! What is counted of switches. Labels are configured names only, so no stranger can grow them. Refuses to judge.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::engine::api::RegistrationState;
use crate::routing::Failure;

/// `callbridge_switch_failures_total`: calls and probes that a switch failed.
pub(super) fn failed(switch: &str, reason: Failure) {
    let (switch, reason) = (switch.to_owned(), reason.as_str());
    counter!("callbridge_switch_failures_total", "switch" => switch, "reason" => reason).increment(1);
}

/// `callbridge_switch_up`: whether some place of a switch works.
pub(super) fn is_up(switch: &str, up: bool) {
    gauge!("callbridge_switch_up", "switch" => switch.to_owned()).set(f64::from(u8::from(up)));
}

/// `callbridge_registrations`: 1 for the state in which the registration with a switch is.
pub(super) fn registered(switch: &str, now: RegistrationState) {
    for state in RegistrationState::ALL {
        let gauge = gauge!("callbridge_registrations", "switch" => switch.to_owned(), "state" => state.as_str());
        gauge.set(f64::from(u8::from(state == now)));
    }
}

/// `callbridge_switch_lookup_failures_total`: look-ups that failed; what was known of the switch stays.
pub(super) fn lookup_failed(switch: &str) {
    counter!("callbridge_switch_lookup_failures_total", "switch" => switch.to_owned()).increment(1);
}

pub(super) fn describe() {
    describe_counter!("callbridge_switch_lookup_failures_total", "Look-ups of a switch's name that failed, by switch.");
    describe_counter!(
        "callbridge_switch_failures_total",
        "Calls and OPTIONS that a switch failed, by switch and reason: silent, unreachable, out_of_service, behind, probe."
    );
    describe_gauge!("callbridge_registrations", "1 for the state of the registration with a switch.");
    describe_gauge!("callbridge_switch_up", "1 while some place of the switch works, by switch.");
}
