//! Why a transfer is refused: said in a metric, a log and a ladder. Owns the words; whose verdict it is is `call`'s affair.

use serde::{Deserialize, Serialize};

/// Why a party may not transfer now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferRefusal {
    /// The customer may not transfer.
    NotYours,
    /// Nobody talks with the one who asks.
    NotTalking,
    /// Another transfer is under way.
    Pending,
    /// Nobody may be called there.
    Barred,
    /// This call was transferred often enough.
    TooMany,
}

impl TransferRefusal {
    /// The word of `callbridge_rejected_total{reason}`.
    pub fn as_str(self) -> &'static str {
        match self {
            TransferRefusal::NotYours => "transfer_by_customer",
            TransferRefusal::NotTalking => "transfer_without_talk",
            TransferRefusal::Pending => "transfer_pending",
            TransferRefusal::Barred => "transfer_barred",
            TransferRefusal::TooMany => "transfer_too_many",
        }
    }

    /// For people who read a ladder.
    pub fn explained(self) -> &'static str {
        match self {
            TransferRefusal::NotYours => "the customer may not",
            TransferRefusal::NotTalking => "nobody talks with who asks",
            TransferRefusal::Pending => "another is under way",
            TransferRefusal::Barred => "nobody may be called there",
            TransferRefusal::TooMany => "there were too many",
        }
    }
}
