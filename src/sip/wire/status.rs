//! Response codes: their reason phrases, and the Q.850 cause each final one stands for.

use rsip::StatusCode;

/// The default reason phrase (RFC 3261 §21 and the IANA registry). Codes we do not know get the phrase of their class.
pub fn reason_phrase(status: u16) -> String {
    if let Some(phrase) = differing(status) {
        return phrase.to_string();
    }
    match StatusCode::from(status) {
        StatusCode::Other(..) => class_phrase(status).to_string(),
        known => {
            let shown = known.to_string();
            spaced(shown.split_once(' ').map_or(shown.as_str(), |(_, name)| name))
        }
    }
}

/// Phrases that rsip's identifiers cannot spell, or that it does not have.
fn differing(status: u16) -> Option<&'static str> {
    Some(match status {
        200 => "OK",
        414 => "Request-URI Too Long",
        416 => "Unsupported URI Scheme",
        417 => "Unknown Resource-Priority",
        422 => "Session Interval Too Small",
        437 => "Unsupported Credential",
        440 => "Max-Breadth Exceeded",
        481 => "Call/Transaction Does Not Exist",
        500 => "Server Internal Error",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        606 => "Not Acceptable",
        608 => "Rejected",
        _ => return None,
    })
}

fn class_phrase(status: u16) -> &'static str {
    match status / 100 {
        1 => "Session Progress",
        2 => "OK",
        3 => "Redirection",
        4 => "Request Failure",
        5 => "Server Failure",
        _ => "Global Failure",
    }
}

/// `BusyHere` as `Busy Here`.
fn spaced(name: &str) -> String {
    let mut phrase = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push(letter);
    }
    phrase
}

/// The Q.850 cause value that a final SIP status stands for, by the mapping of RFC 3398 §8.2.6.1 (SIP to ISUP). Codes it
/// does not list get what their class means there: 127 (interworking), 31 (normal, unspecified) for 4xx; 16 for a 2xx.
pub fn q850_of_status(status: u16) -> u8 {
    match status {
        200..=299 => 16,
        401 | 402 | 403 | 407 | 603 | 607 | 608 => 21,
        404 | 485 | 604 => 1,
        405 => 63,
        406 | 415 | 488 | 606 => 79,
        408 | 504 => 102,
        410 => 22,
        413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
        480 => 18,
        481 | 500 | 503 => 41,
        482 | 483 => 25,
        484 => 28,
        486 | 600 => 17,
        487 => 16,
        501 => 79,
        502 => 38,
        400 => 41,
        401..=499 => 31,
        _ => 127,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_read_as_the_rfcs_write_them() {
        let known = [
            (100, "Trying"),
            (180, "Ringing"),
            (183, "Session Progress"),
            (200, "OK"),
            (400, "Bad Request"),
            (404, "Not Found"),
            (405, "Method Not Allowed"),
            (415, "Unsupported Media Type"),
            (420, "Bad Extension"),
            (480, "Temporarily Unavailable"),
            (481, "Call/Transaction Does Not Exist"),
            (486, "Busy Here"),
            (487, "Request Terminated"),
            (488, "Not Acceptable Here"),
            (491, "Request Pending"),
            (501, "Not Implemented"),
            (503, "Service Unavailable"),
            (513, "Message Too Large"),
            (600, "Busy Everywhere"),
            (603, "Decline"),
            (604, "Does Not Exist Anywhere"),
            (699, "Global Failure"),
        ];
        for (status, phrase) in known {
            assert_eq!(reason_phrase(status), phrase);
        }
    }

    #[test]
    fn the_causes_a_caller_meets_most_are_mapped() {
        let mapped = [
            (486, 17),
            (600, 17),
            (480, 18),
            (404, 1),
            (603, 21),
            (487, 16),
            (503, 41),
            (488, 79),
            (484, 28),
            (408, 102),
        ];
        for (status, cause) in mapped {
            assert_eq!(q850_of_status(status), cause);
        }
        assert!((0..=u16::MAX).all(|status| q850_of_status(status) <= 127));
    }
}
