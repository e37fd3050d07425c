//! The fields of session timers: Session-Expires and Min-SE (RFC 4028 §4, §5). Refuses what they mean (that is
//! `dialog::session`).

use super::fields::FieldError;
use super::grammar::{Params, number, split_at_byte, trim};
use super::message::Message;
use super::name::Name;

/// Who refreshes, as seen from the transaction that carries the field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answered it.
    Uas,
}

impl Refresher {
    /// The word of the `refresher` parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Refresher::Uac => "uac",
            Refresher::Uas => "uas",
        }
    }
}

/// Session-Expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionExpires {
    /// The session interval in seconds.
    pub seconds: u32,
    /// Who refreshes; absent where that is still open.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads `seconds[;refresher=uac|uas]`. An unknown refresher is as good as none.
    ///
    /// # Errors
    /// [`FieldError::Number`] for no number or one above 2³²-1, [`FieldError::Parameter`] for broken parameters.
    pub fn parse(value: &[u8]) -> Result<SessionExpires, FieldError> {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let (seconds, params) = value.split_at(end);
        let refresher = match Params::parse(params)?.get("refresher") {
            Some(word) if word.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(word) if word.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Ok(SessionExpires { seconds: delta_seconds(seconds)?, refresher })
    }
}

impl Message {
    /// Session-Expires.
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed.
    pub fn session_expires(&self) -> Result<SessionExpires, FieldError> {
        SessionExpires::parse(self.header(Name::SessionExpires).ok_or(FieldError::Missing)?)
    }

    /// Min-SE in seconds; parameters are ignored.
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed.
    pub fn min_se(&self) -> Result<u32, FieldError> {
        delta_seconds(split_at_byte(self.header(Name::MinSe).ok_or(FieldError::Missing)?, b';').0)
    }

    /// True when Allow lists the method.
    pub fn allows(&self, method: &str) -> bool {
        self.headers(Name::Allow).any(|value| value == method.as_bytes())
    }
}

fn delta_seconds(digits: &[u8]) -> Result<u32, FieldError> {
    let seconds = number(trim(digits), u32::MAX.into()).ok_or(FieldError::Number)?;
    u32::try_from(seconds).map_err(|_| FieldError::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_expires_is_read_with_and_without_a_refresher() {
        let read = |text: &str| SessionExpires::parse(text.as_bytes());
        assert_eq!(read("1800"), Ok(SessionExpires { seconds: 1800, refresher: None }));
        assert_eq!(read("90 ; Refresher = UAS").map(|field| field.refresher), Ok(Some(Refresher::Uas)));
        assert_eq!(read("90;x=y;refresher=uac").map(|field| field.refresher), Ok(Some(Refresher::Uac)));
        assert_eq!(read("90;refresher=both").map(|field| field.refresher), Ok(None));
        for bad in ["", "-1", "soon", "4294967296", "90;;", ";refresher=uac"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn min_se_and_allow_are_read() {
        let text = "SIP/2.0 422 x\r\nMin-SE: 3600;by=us\r\nAllow: INVITE, ACK\r\nAllow: UPDATE\r\nx: 90\r\n\r\n";
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!((message.min_se(), message.session_expires().map(|field| field.seconds)), (Ok(3600), Ok(90)));
        assert!(message.allows("UPDATE") && !message.allows("update") && !message.allows("PRACK"));
    }
}
