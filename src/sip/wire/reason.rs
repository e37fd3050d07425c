//! Reason (RFC 3326): why a dialog or a request ended, in the words of another protocol. Several values may stand; a Q.850 one
//! says most, a SIP one is the status that a fork or a later hop met.

use super::grammar::{Params, lenient_text, number, trim};
use super::message::Message;
use super::name::Name;
use super::status::q850_of_status;

/// Longest text that is kept of a Reason, in characters.
const MAX_TEXT: usize = 120;

/// Most values that are looked at.
const MAX_VALUES: usize = 8;

/// What the Reason fields of a message say together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// The Q.850 cause: as sent, or the one that the SIP status stands for.
    pub q850: u8,
    /// The text that came with it, bounded, without control characters.
    pub text: Option<String>,
}

impl Message {
    /// The Q.850 value of the Reason fields if there is one, else a SIP value with the status of a refusal.
    pub fn reason_given(&self) -> Option<Reason> {
        let mut of_sip = None;
        for value in self.headers(Name::Reason).take(MAX_VALUES) {
            let end = memchr::memchr(b';', value).unwrap_or(value.len());
            let (protocol, params) = value.split_at(end);
            let Ok(params) = Params::parse(params) else { continue };
            let cause = params.get("cause").and_then(|cause| number(cause.as_bytes(), 699));
            let protocol = trim(protocol);
            if protocol.eq_ignore_ascii_case(b"Q.850") {
                if let Some(q850) = cause.and_then(|cause| u8::try_from(cause).ok()).filter(|cause| *cause <= 127) {
                    return Some(Reason { q850, text: text(&params) });
                }
            } else if protocol.eq_ignore_ascii_case(b"SIP") && of_sip.is_none() {
                let status = cause.and_then(|cause| u16::try_from(cause).ok()).filter(|status| *status >= 300);
                of_sip = status.map(|status| Reason { q850: q850_of_status(status), text: text(&params) });
            }
        }
        of_sip
    }
}

fn text(params: &Params<'_>) -> Option<String> {
    let (_, value) = params.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"text"))?;
    let quoted = lenient_text(trim(value?));
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&quoted);
    let mut plain = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        let letter = if letter == '\\' { letters.next().unwrap_or(letter) } else { letter };
        if !letter.is_control() && plain.chars().count() < MAX_TEXT {
            plain.push(letter);
        }
    }
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(lines: &str) -> Option<(u8, Option<String>)> {
        let text = format!("BYE sip:a@h SIP/2.0\r\n{lines}\r\n");
        Message::parse(text.as_bytes()).unwrap().reason_given().map(|reason| (reason.q850, reason.text))
    }

    #[test]
    fn a_q850_value_goes_before_a_sip_one_wherever_it_stands() {
        let both = "Reason: SIP;cause=486;text=\"Busy\", Q.850 ;cause=16 ;text=\"Terminated\"\r\n";
        assert_eq!(reason(both), Some((16, Some("Terminated".into()))));
        assert_eq!(reason("Reason: SIP;cause=600\r\nReason: q.850;cause=34\r\n"), Some((34, None)));
        assert_eq!(reason("Reason: SIP;cause=486;text=\"Busy Here\"\r\n"), Some((17, Some("Busy Here".into()))));
    }

    #[test]
    fn what_makes_no_sense_says_nothing() {
        for lines in [
            "",
            "Reason: Q.850\r\n",
            "Reason: Q.850;cause=300\r\n",
            "Reason: Q.850;cause=x\r\n",
            "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n",
            "Reason: X.25;cause=1\r\n",
        ] {
            assert_eq!(reason(lines), None, "{lines}");
        }
    }

    #[test]
    fn the_text_is_unquoted_and_bounded() {
        let odd = "Reason: Q.850;cause=31;text=\"say \\\"no\\\", \\\\ or; not\"\r\n";
        assert_eq!(reason(odd), Some((31, Some("say \"no\", \\ or; not".into()))));
        let long = format!("Reason: Q.850;cause=31;text=\"{}\"\r\n", "x".repeat(5_000));
        assert_eq!(reason(&long).and_then(|(_, text)| text).map(|text| text.len()), Some(MAX_TEXT));
    }
}
