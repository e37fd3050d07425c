//! The ladder on the terminal: customer | callbridge | representative, each line with its time. Owns the drawing; refuses to
//! know where lines come from.

use std::time::Duration;

use crate::model::Role;

/// Characters between two of the three bars.
const GAP: usize = 29;

/// The head of the ladder.
pub fn head() -> String {
    let name = |text: &str| format!("{text:^width$}", width = GAP + 1);
    format!("  seconds  {}{}{}", name("customer"), name("callbridge"), name("representative")).trim_end().to_owned()
}

/// A SIP message on one leg, as the phone there saw it.
pub fn message(at: Duration, role: Role, sent_by_phone: bool, text: &str) -> String {
    // The arrow points away from the phone when the phone sent it; the phones stand at the outer bars.
    let rightwards = match role {
        Role::Customer => sent_by_phone,
        Role::Representative | Role::Supervisor => !sent_by_phone,
    };
    let words = format!(" {} ", named(text));
    let shaft = if rightwards {
        format!("{words:─^width$}>", width = GAP - 1)
    } else {
        format!("<{words:─^width$}", width = GAP - 1)
    };
    line(at, role, &shaft)
}

/// Something that happens at a leg.
pub fn note(at: Duration, role: Role, text: &str) -> String {
    line(at, role, &format!("{text:^GAP$}"))
}

/// Something that happens to the whole call.
pub fn headline(at: Duration, text: &str) -> String {
    format!("{:9.3}  {text}", at.as_secs_f64())
}

fn line(at: Duration, role: Role, drawing: &str) -> String {
    let bar = " ".repeat(GAP / 2);
    let empty = " ".repeat(GAP);
    let (left, right) = match role {
        Role::Customer => (drawing, empty.as_str()),
        Role::Representative | Role::Supervisor => (empty.as_str(), drawing),
    };
    format!("{:9.3}  {bar}│{left}│{right}│", at.as_secs_f64())
}

/// `180 (INVITE)` as a person reads it: `180 Ringing`.
fn named(text: &str) -> String {
    let Some((status, of)) = text.split_once(' ') else { return text.to_owned() };
    let phrase = match (status, of) {
        ("100", _) => "100 Trying",
        ("180", _) => "180 Ringing",
        ("183", _) => "183 Session Progress",
        ("200", "(INVITE)") => "200 OK",
        ("487", _) => "487 Request Terminated",
        _ => return text.to_owned(),
    };
    phrase.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_where_the_message_goes() {
        let at = Duration::from_millis(1234);
        let invite = message(at, Role::Customer, false, "INVITE");
        let ringing = message(at, Role::Customer, true, "180 (INVITE)");
        let bye = message(at, Role::Representative, true, "BYE");
        assert!(invite.starts_with("    1.234") && invite.contains("│<──") && invite.contains(" INVITE "));
        assert!(ringing.contains("──>│") && ringing.contains(" 180 Ringing "));
        assert!(bye.contains("│<──") && bye.ends_with('│'));
        let width = |text: &str| text.chars().count();
        assert_eq!((width(&invite), width(&ringing)), (width(&bye), width(&note(at, Role::Customer, "hears"))));
    }

    #[test]
    fn the_head_stands_over_the_bars() {
        let bars: Vec<usize> = message(Duration::ZERO, Role::Customer, true, "ACK")
            .chars()
            .enumerate()
            .filter(|(_, c)| *c == '│')
            .map(|(n, _)| n)
            .collect();
        let head = head();
        for (name, bar) in ["customer", "callbridge", "representative"].into_iter().zip(bars) {
            let middle = head.find(name).unwrap() + name.len() / 2;
            assert!(middle.abs_diff(bar) <= 1, "{name} at {middle}, its bar at {bar}");
        }
    }
}
