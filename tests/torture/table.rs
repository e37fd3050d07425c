//! File → expected verdict, by the text of RFC 4475 and RFC 5118, each with its story. Owns nothing else: how a verdict is
//! reached (by the library, or over UDP by a daemon) is the tests' affair.

/// What an endpoint that never takes calls owes a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Sound: a request reaches the stack (which answers it), a response reaches its transaction (or is dropped unmatched).
    Take,
    /// This status, at once.
    Answer(u16),
    /// Nothing.
    Silence,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Below tests/torture.
    pub file: &'static str,
    /// Where its RFC speaks of it.
    pub section: &'static str,
    /// What it does, and why it deserves the verdict.
    pub story: &'static str,
    /// The verdict.
    pub expect: Expect,
}

/// The datagram.
pub fn bytes(file: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

use Expect::{Answer, Silence, Take};

const fn case(file: &'static str, section: &'static str, expect: Expect, story: &'static str) -> Case {
    Case { file, section, story, expect }
}

/// Every message of tests/torture.
pub const TABLE: &[Case] = &[
    case("rfc4475/TC_WSINV.dat", "4475 3.1.1.1", Take, "folding, compact names, odd blanks and escapes, all lawful"),
    case("rfc4475/TC_INTMETH.dat", "4475 3.1.1.2", Take, "every character a token may hold; the stack says 501"),
    case("rfc4475/TC_ESC01_V.dat", "4475 3.1.1.3", Take, "percent escapes in URIs"),
    case("rfc4475/TC_ESCNULL_V.dat", "4475 3.1.1.4", Take, "escaped NULs in URIs"),
    case("rfc4475/TC_ESC02_V.dat", "4475 3.1.1.5", Take, "percent signs that are no escapes; an unknown method"),
    case("rfc4475/TC_LWSDISP_V.dat", "4475 3.1.1.6", Take, "no blank between display name and bracket"),
    case("rfc4475/TC_LONGREQ_V.dat", "4475 3.1.1.7", Take, "very long values"),
    case("rfc4475/TC_DBLREQ.dat", "4475 3.1.1.8", Take, "a second request behind the first is ignored"),
    case("rfc4475/TC_SEMIURI_V.dat", "4475 3.1.1.9", Take, "semicolons in the user part"),
    case("rfc4475/TC_TRANSPORTS_V.dat", "4475 3.1.1.10", Take, "known and unknown transports in Via"),
    case("rfc4475/TC_MPART01.dat", "4475 3.1.1.11", Take, "a binary multipart body of a MESSAGE"),
    case("rfc4475/TC_UNREASON_V.dat", "4475 3.1.1.12", Take, "a reason phrase in Russian and arithmetic"),
    case("rfc4475/TC_NOREASON_V.dat", "4475 3.1.1.13", Take, "an empty reason phrase"),
    case("rfc4475/TC_BADINV01_I.dat", "4475 3.1.2.1", Answer(400), "extra separators in Via and Contact"),
    case("rfc4475/TC_CLERR_I.dat", "4475 3.1.2.2", Answer(400), "Content-Length beyond the datagram"),
    case("rfc4475/TC_NCL_I.dat", "4475 3.1.2.3", Answer(400), "a negative Content-Length"),
    case("rfc4475/TC_SCALAR02_V.dat", "4475 3.1.2.4", Answer(400), "a CSeq beyond 2^31"),
    case("rfc4475/TC_SCALARLG_V.dat", "4475 3.1.2.5", Silence, "a response with a CSeq beyond 2^31 is discarded"),
    case("rfc4475/TC_QUOTBAL_I.dat", "4475 3.1.2.6", Answer(400), "a display name whose quote never ends"),
    case("rfc4475/TC_LTGTRURI_I.dat", "4475 3.1.2.7", Answer(400), "brackets around the Request-URI"),
    case("rfc4475/TC_LWSRURI_I.dat", "4475 3.1.2.8", Answer(400), "a blank inside the Request-URI"),
    case("rfc4475/TC_LWSSTART_V.dat", "4475 3.1.2.9", Take, "two blanks in the request line: liberally ignored"),
    case("rfc4475/TC_TRWS_I.dat", "4475 3.1.2.10", Answer(400), "blanks after the version"),
    case("rfc4475/TC_ESCRURI_V.dat", "4475 3.1.2.11", Take, "headers escaped in the Request-URI: liberally ignored"),
    case("rfc4475/TC_BADDATE_V.dat", "4475 3.1.2.12", Take, "a Date not in GMT, a field we have no use for"),
    case("rfc4475/TC_REGBADCT_I.dat", "4475 3.1.2.13", Answer(400), "a Contact with headers that has no brackets"),
    case("rfc4475/TC_BADASPEC_I.dat", "4475 3.1.2.14", Answer(400), "blanks inside the brackets of To"),
    case("rfc4475/TC_BADDN_I.dat", "4475 3.1.2.15", Answer(400), "an unquoted display name with a comma"),
    case("rfc4475/TC_BADVERS_V.dat", "4475 3.1.2.16", Answer(505), "SIP/7.0"),
    case("rfc4475/TC_MISMATCH01_V.dat", "4475 3.1.2.17", Answer(400), "CSeq names another method"),
    case("rfc4475/TC_MISMATCH02_V.dat", "4475 3.1.2.18", Take, "the same with an unknown method: the stack's 501"),
    case("rfc4475/TC_BIGCODE_V.dat", "4475 3.1.2.19", Silence, "a status code of ten digits is discarded"),
    case("rfc4475/TC_BADBRANCH_V.dat", "4475 3.2.1", Take, "a branch that is only the magic cookie"),
    case("rfc4475/TC_INSUF_I.dat", "4475 3.3.1", Answer(400), "no To, From or Call-ID"),
    case("rfc4475/TC_UNKSCM_V.dat", "4475 3.3.2", Answer(416), "a Request-URI of an unknown scheme"),
    case("rfc4475/TC_NOVELSC_V.dat", "4475 3.3.3", Answer(416), "a Request-URI of a known scheme that is not SIP"),
    case(
        "rfc4475/TC_UNKSM2_V.dat",
        "4475 3.3.4",
        Take,
        "unknown schemes in To, From and Contact: a registrar's affair",
    ),
    case("rfc4475/TC_BEXT01_V.dat", "4475 3.3.5", Answer(420), "requires what nobody supports"),
    case("rfc4475/TC_INVUT_V.dat", "4475 3.3.6", Answer(415), "an INVITE with a body that is no SDP"),
    case("rfc4475/TC_REGAUT01_V.dat", "4475 3.3.7", Take, "an unknown authorization scheme: a registrar's affair"),
    case("rfc4475/TC_MULTI01_I.dat", "4475 3.3.8", Answer(400), "single fields given twice"),
    case("rfc4475/TC_MCL01_I.dat", "4475 3.3.9", Answer(400), "two different Content-Lengths"),
    case("rfc4475/TC_BCAST_V.dat", "4475 3.3.10", Silence, "a response whose second Via is broadcast: not ours"),
    case("rfc4475/TC_ZEROMF_V.dat", "4475 3.3.11", Take, "Max-Forwards 0 has reached its endpoint"),
    case("rfc4475/TC_CPARAM01_V.dat", "4475 3.3.12", Take, "an unknown Contact parameter"),
    case("rfc4475/TC_CPARAM02_V.dat", "4475 3.3.13", Take, "an unknown URI parameter in Contact"),
    case("rfc4475/TC_REGESCRT_V.dat", "4475 3.3.14", Take, "headers in a bracketed Contact URI"),
    case("rfc4475/TC_SDP01_V.dat", "4475 3.3.15", Answer(406), "an INVITE that accepts no SDP"),
    case(
        "rfc4475/TC_INV2543_I.dat",
        "4475 3.4.1",
        Take,
        "RFC 2543: no branch, From tag, Max-Forwards or Content-Length",
    ),
    case("rfc4475/TC_TEST_I.dat", "corpus", Silence, "no version, no Via: nobody to answer"),
    case("rfc5118/ipv6-good.dat", "5118 4.1", Take, "an IPv6 reference in the Request-URI"),
    case("rfc5118/ipv6-bad.dat", "5118 4.2", Answer(400), "an IPv6 address without brackets"),
    case("rfc5118/port-ambiguous.dat", "5118 4.3", Take, "what looks like a port belongs to the address"),
    case("rfc5118/port-unambiguous.dat", "5118 4.4", Take, "a port after the bracket"),
    case("rfc5118/via-received-param-no-delim.dat", "5118 4.5", Take, "received without brackets"),
    case(
        "rfc5118/via-received-param-with-delim.dat",
        "5118 4.5",
        Take,
        "received with brackets, as old elements write it",
    ),
    case("rfc5118/ipv6-in-sdp.dat", "5118 4.6", Take, "IPv6 in SDP"),
    case("rfc5118/mult-ip-in-header.dat", "5118 4.7", Take, "both families in Via"),
    case("rfc5118/mult-ip-in-sdp.dat", "5118 4.8", Take, "both families in SDP"),
    case("rfc5118/ipv4-mapped-ipv6.dat", "5118 4.9", Take, "IPv4-mapped addresses"),
    case("rfc5118/ipv6-correct-abnf-2-colons.dat", "5118 4.10", Take, "an embedded IPv4 address"),
    case(
        "rfc5118/ipv6-bug-abnf-3-colons.dat",
        "5118 4.10",
        Take,
        "the colon too many of RFC 3261's grammar is ignored",
    ),
];
