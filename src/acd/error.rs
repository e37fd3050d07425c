//! Why the distribution does not take an input. Owns these words; a refused input changes nothing.

use crate::clock::Wall;
use crate::model::RepresentativeId;

/// Why an input is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The account has no such representative.
    #[error("there is no representative {0}: add them to the account first")]
    UnknownRepresentative(RepresentativeId),
    /// A lease of no time at all, or of more than a day.
    #[error("a lease is 1 second to 24 hours")]
    Lease,
    /// None of the account's representatives, logged on or not, has what the customer needs.
    #[error("no representative of this business has what the customer needs: ask for less, or add one")]
    NobodySuits,
    /// The business takes no calls now.
    #[error("the business is closed{}", opens.map(|at| format!(", it opens at {at}")).unwrap_or_default())]
    Closed {
        /// When it opens, if it does within two months.
        opens: Option<Wall>,
    },
    /// As many customers as may be are waiting or talking.
    #[error("as many customers as may be are waiting or talking: try again later")]
    Full,
    /// More kinds of needs are waited for than are told apart.
    #[error("too many different needs are waited for: try again later")]
    TooManyNeeds,
    /// The customer is in the line already.
    #[error("this customer is being served already")]
    AskedAlready,
}
