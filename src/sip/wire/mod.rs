//! SIP messages as bytes: one scan of a datagram into offsets ([`Message`]), typed readings of the fields the stack needs,
//! the judgement of RFC 3261 / 4475 / 5118 on what was read ([`judge()`]), and builders that write straight into a buffer.
//!
//! Owns syntax and nothing else. Refuses sockets, transactions and dialogs, and refuses to let anything from outside panic
//! it or make it allocate without bound. `rsip` gives the reason phrases; it never reads the wire.
//!
//! How the stack uses it: [`Message::parse`], then [`judge()`] (or [`judge_supporting`]), then the accessors. A message that
//! parsed may still be faulty (a wrong Content-Length, say): only `judge` says so, because a faulty request deserves a 400.

mod build;
pub mod digest;
mod fields;
mod frame;
mod grammar;
mod judge;
mod message;
mod method;
mod name;
pub mod passport;
mod reason;
mod scan;
mod session;
mod status;
mod uri;

pub use build::{BuildError, RequestBuilder, ResponseBuilder, response};
pub use fields::{CSeq, FieldError, NameAddr, RAck, Rport, Via};
pub use frame::{Frame, FrameError, Framer, MAX_BODY, MAX_HEAD};
pub use grammar::{Params, Values};
pub use judge::{SUPPORTED_EXTENSIONS, Verdict, judge, judge_supporting};
pub use message::{Fault, Message, Values as HeaderValues};
pub use method::Method;
pub use name::Name;
pub use reason::Reason;
pub use scan::{MAX_HEADERS, MAX_MESSAGE, ParseError};
pub use session::{Refresher, SessionExpires};
pub use status::{q850_of_status, reason_phrase};
pub use uri::{Scheme, Uri, UriError};
