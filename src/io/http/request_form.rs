//! The form of a direct call request (Fig. 9) as `/openapi.json` describes it. Owns no reading: `message` reads the fields, with every
//! error at once; a test compares the bounds.

use utoipa::ToSchema;

use super::openapi::{WebPageForm, WindowForm};

/// The direct call request (Fig. 9).
#[derive(ToSchema)]
#[schema(as = CallRequest)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
pub struct RequestForm {
    /// 904.
    business_id: String,
    /// 908: E.164 number, `tel:`, `sip:` or `sips:` URI, or IP address.
    #[schema(min_length = 1, max_length = 256, example = "+12125550100")]
    customer: String,
    /// 906: a page of one of the business's allowed origins.
    #[schema(inline)]
    web_page: Option<WebPageForm>,
    /// 910: a representative's or service centre's identifier, or a skill.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    representative_information: Option<String>,
    /// 912: RFC 3339. Absent, null or empty: as soon as possible.
    desired_contact_time: Option<String>,
    /// Between which moments the customer may be called.
    #[schema(inline)]
    contact_window: Option<WindowForm>,
    /// RFC 3339: a call that was not placed by then ends `expired`. Absent, null or empty: as the account has it.
    expires_at: Option<String>,
    /// From the customer.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]*$"
    )]
    note: Option<String>,
    /// What the business signed for this page: `KEY.EXPIRY.NONCE.MAC`.
    #[schema(min_length = 1, max_length = 256, pattern = "^[!-~]+$")]
    page_token: Option<String>,
    /// Where the account wants work.
    #[schema(inline)]
    work: Option<WorkForm>,
}

/// Work that was done.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
pub struct WorkForm {
    /// Of `/v1/call-requests/challenge`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    challenge: String,
    /// What was found.
    #[schema(min_length = 1, max_length = 32, pattern = "^[!-~]+$")]
    nonce: String,
}
