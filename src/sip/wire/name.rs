//! Header field names: long and compact forms, and which fields are comma lists. Refuses their values.

macro_rules! names {
    ($($variant:ident = $text:literal $compact:literal $list:literal,)+) => {
        /// A header field we know by name. Names are compared without case; compact forms (RFC 3261 §7.3.3 and the IANA
        /// registry) are the same name.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`.")] $variant,)+
            /// Any name not in this list; see [`super::Message::header_named`].
            Extension,
        }

        impl Name {
            /// Every name we know.
            pub const ALL: &'static [Name] = &[$(Name::$variant,)+];

            /// The long form as we write it; empty for `Extension`.
            pub fn as_str(self) -> &'static str {
                match self { $(Name::$variant => $text,)+ Name::Extension => "" }
            }

            /// The compact form, where one is registered.
            pub fn compact(self) -> Option<char> {
                let letter = match self { $(Name::$variant => $compact,)+ Name::Extension => ' ' };
                (letter != ' ').then_some(letter)
            }

            /// True where commas separate values: several lines are then the same as one line (RFC 3261 §7.3.1).
            pub fn is_list(self) -> bool {
                match self { $(Name::$variant => $list,)+ Name::Extension => false }
            }
        }
    };
}

names! {
    Accept = "Accept" ' ' true,
    AcceptContact = "Accept-Contact" 'a' true,
    AcceptEncoding = "Accept-Encoding" ' ' true,
    AcceptLanguage = "Accept-Language" ' ' true,
    AlertInfo = "Alert-Info" ' ' true,
    Allow = "Allow" ' ' true,
    AllowEvents = "Allow-Events" 'u' true,
    Authorization = "Authorization" ' ' false,
    CallId = "Call-ID" 'i' false,
    CallInfo = "Call-Info" ' ' true,
    Contact = "Contact" 'm' true,
    ContentDisposition = "Content-Disposition" ' ' false,
    ContentEncoding = "Content-Encoding" 'e' true,
    ContentLanguage = "Content-Language" ' ' true,
    ContentLength = "Content-Length" 'l' false,
    ContentType = "Content-Type" 'c' false,
    CSeq = "CSeq" ' ' false,
    Date = "Date" ' ' false,
    Diversion = "Diversion" ' ' true,
    ErrorInfo = "Error-Info" ' ' true,
    Event = "Event" 'o' false,
    Expires = "Expires" ' ' false,
    From = "From" 'f' false,
    HistoryInfo = "History-Info" ' ' true,
    Identity = "Identity" 'y' false,
    InReplyTo = "In-Reply-To" ' ' true,
    MaxForwards = "Max-Forwards" ' ' false,
    MimeVersion = "MIME-Version" ' ' false,
    MinExpires = "Min-Expires" ' ' false,
    MinSe = "Min-SE" ' ' false,
    Organization = "Organization" ' ' false,
    PAssertedIdentity = "P-Asserted-Identity" ' ' true,
    PPreferredIdentity = "P-Preferred-Identity" ' ' true,
    Path = "Path" ' ' true,
    Priority = "Priority" ' ' false,
    Privacy = "Privacy" ' ' false,
    ProxyAuthenticate = "Proxy-Authenticate" ' ' false,
    ProxyAuthorization = "Proxy-Authorization" ' ' false,
    ProxyRequire = "Proxy-Require" ' ' true,
    RAck = "RAck" ' ' false,
    Reason = "Reason" ' ' true,
    RecordRoute = "Record-Route" ' ' true,
    ReferSub = "Refer-Sub" ' ' false,
    ReferTo = "Refer-To" 'r' false,
    ReferredBy = "Referred-By" 'b' false,
    RejectContact = "Reject-Contact" 'j' true,
    Replaces = "Replaces" ' ' false,
    ReplyTo = "Reply-To" ' ' false,
    RequestDisposition = "Request-Disposition" 'd' true,
    Require = "Require" ' ' true,
    RetryAfter = "Retry-After" ' ' false,
    Route = "Route" ' ' true,
    RSeq = "RSeq" ' ' false,
    Server = "Server" ' ' false,
    ServiceRoute = "Service-Route" ' ' true,
    SessionExpires = "Session-Expires" 'x' false,
    Subject = "Subject" 's' false,
    SubscriptionState = "Subscription-State" ' ' false,
    Supported = "Supported" 'k' true,
    Timestamp = "Timestamp" ' ' false,
    To = "To" 't' false,
    Unsupported = "Unsupported" ' ' true,
    UserAgent = "User-Agent" ' ' false,
    Via = "Via" 'v' true,
    Warning = "Warning" ' ' true,
    WwwAuthenticate = "WWW-Authenticate" ' ' false,
}

impl Name {
    /// The name of a field name as written, long or compact, in any case.
    pub fn of(text: &[u8]) -> Name {
        let known = candidates(text.len()).iter().find(|name| name.as_str().as_bytes().eq_ignore_ascii_case(text));
        match (known, text) {
            (Some(name), _) => *name,
            (None, [letter]) => compact(letter.to_ascii_lowercase()),
            (None, _) => Name::Extension,
        }
    }
}

/// The names of one length, the frequent ones first: a look-up compares two or three.
fn candidates(len: usize) -> &'static [Name] {
    use Name::*;
    match len {
        2 => &[To],
        3 => &[Via],
        4 => &[From, CSeq, RAck, RSeq, Date, Path],
        5 => &[Route, Allow, Event],
        6 => &[Accept, Reason, Server, MinSe],
        7 => &[CallId, Contact, Require, Expires, Subject, Privacy, Warning],
        8 => &[Replaces, Identity, Priority, ReplyTo, ReferTo],
        9 => &[Supported, Timestamp, CallInfo, ReferSub, Diversion],
        10 => &[UserAgent, AlertInfo, ErrorInfo],
        11 => &[RetryAfter, Unsupported, ReferredBy, InReplyTo, MinExpires],
        12 => &[MaxForwards, ContentType, RecordRoute, AllowEvents, HistoryInfo, MimeVersion, Organization],
        13 => &[Authorization, ProxyRequire, ServiceRoute],
        14 => &[ContentLength, AcceptContact, RejectContact],
        15 => &[AcceptEncoding, AcceptLanguage, SessionExpires],
        16 => &[ContentEncoding, ContentLanguage, WwwAuthenticate],
        18 => &[ProxyAuthenticate, SubscriptionState],
        19 => &[ContentDisposition, ProxyAuthorization, PAssertedIdentity, RequestDisposition],
        20 => &[PPreferredIdentity],
        _ => &[],
    }
}

fn compact(letter: u8) -> Name {
    match letter {
        b'v' => Name::Via,
        b'f' => Name::From,
        b't' => Name::To,
        b'i' => Name::CallId,
        b'm' => Name::Contact,
        b'l' => Name::ContentLength,
        b'c' => Name::ContentType,
        b'e' => Name::ContentEncoding,
        b'k' => Name::Supported,
        b's' => Name::Subject,
        b'o' => Name::Event,
        b'r' => Name::ReferTo,
        b'b' => Name::ReferredBy,
        b'u' => Name::AllowEvents,
        b'x' => Name::SessionExpires,
        b'a' => Name::AcceptContact,
        b'j' => Name::RejectContact,
        b'd' => Name::RequestDisposition,
        b'y' => Name::Identity,
        _ => Name::Extension,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_in_its_compact_form() {
        for &name in Name::ALL {
            assert_eq!(Name::of(name.as_str().as_bytes()), name);
            assert_eq!(Name::of(name.as_str().to_uppercase().as_bytes()), name);
            if let Some(letter) = name.compact() {
                assert_eq!(Name::of(&[letter as u8]), name);
                assert_eq!(Name::of(&[letter.to_ascii_uppercase() as u8]), name);
            }
        }
        assert_eq!(Name::of(b"X-Anything"), Name::Extension);
        assert_eq!(Name::of(b"z"), Name::Extension);
        assert_eq!(Name::of(b""), Name::Extension);
    }
}
