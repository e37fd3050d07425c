//! The nouns every room speaks: identifiers, endpoints, businesses, money, outcomes, records. Owns their shapes and their
//! validation; refuses behaviour, time and I/O.

pub mod account;
pub mod adjustment;
pub mod audit;
pub mod business;
pub mod click_to_dial;
pub mod codec;
pub mod contact;
pub mod digits;
pub mod direct;
pub mod endpoint;
pub mod gates;
pub mod header_name;
pub mod hours;
pub mod ids;
pub mod kinds;
pub mod language;
pub mod limits;
pub mod machine;
pub mod message;
pub mod money;
pub mod need;
mod numbering;
pub mod origin;
pub mod outcome;
pub mod quality;
mod record;
pub mod recording;
pub mod representative;
pub mod srtp;
pub mod staffing;
pub mod supervisor;
pub mod switch;
pub mod tariff;
pub mod transfer;
pub mod transport;
pub mod trunk;
pub mod webhook;

pub use adjustment::{AdjustedLeg, Adjustment, Billed, DayAdjustment};
pub use audit::{Actor, AuditAction, AuditEntry, FieldChange, Who};
pub use business::{Business, Directory, Recording, Voice};
pub use click_to_dial::{ClickToDial, Sink};
pub use codec::{Codec, Codecs};
pub use contact::{Contact, ContactWindow, ContactWish, RetryPlan, RetryWish, WindowWish};
pub use digits::{Digits, Key};
pub use direct::{CallSource, Direct, DirectRequest};
pub use endpoint::{Endpoint, EndpointError};
pub use gates::{Gates, RepresentativeGate};
pub use hours::{CivilDate, Hours, Span};
pub use ids::{BusinessId, BusinessIdError, CallId, LegId, TransferId};
pub use language::Language;
pub use limits::{
    AtCeiling, Cost, DayUsage, Destinations, Duplicates, Guard, Limit, LimitReached, Limits, NumberKind, Prefix,
    QuietHours, Quietly, TimeOfDay, Zone,
};
pub use machine::{AnsweredBy, MachinePolicy, MachineTimes};
pub use message::{AnsweredMark, Idempotency, InitiationMessage, Progress, StoredCall, TriedLeg, ViewedPage, WebPage};
pub use money::{Currency, Money, Tariff};
pub use need::Need;
pub use origin::{ClientCertificate, Network};
pub use outcome::{CallState, Cause, LegState, Outcome, Role};
pub use quality::{Alarm, Heard, Quality, Sample, SampleView};
pub use record::{AttemptRecord, CallRecord, CallView, LegView, SupervisorView, WaitView};
pub use recording::{RecordingState, RecordingView, Taping};
pub use representative::{Level, Representative, RepresentativeId, RepresentativeView, Skill, StoredSession, Wish};
pub use srtp::{MasterKey, OurKeys, SrtpKeys, SrtpUse, Suite, Suites, SuitesError};
pub use staffing::{Staffing, Strategy};
pub use supervisor::SupervisorMode;
pub use switch::{Host, SwitchAddress, SwitchAddressError, Target};
pub use tariff::{Destination, LegRate, Rate, RatePlan, RatedLegs, TariffName, TariffVersion};
pub use transfer::TransferRefusal;
pub use transport::{Hop, SipTransport};
pub use trunk::Trunk;
pub use webhook::{Webhook, WebhookSecret, WebhookUrl};
