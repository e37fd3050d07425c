//! `--sample`: a small cruise line with two representatives, a supervisor and a customer, to try everything with. Owns the texts; their passwords are
//! drawn by the caller, so that no installation has one that the world knows.

use rusqlite::Transaction;

use super::goods::{Product, add_product};
use super::people::{Customer, add};
use super::staff;
use super::supervisors::{self, Supervisor};
use crate::clock::Wall;
use crate::model::business::PasswordHash;

/// Who of the sample logs on: kind, name at the log-on.
pub const PEOPLE: [(&str, &str); 4] =
    [("representative", "rita"), ("representative", "sam"), ("customer", "carol@example.com"), ("supervisor", "sue")];

const PRODUCTS: [(&str, &str, i64, &str, &str); 5] = [
    (
        "caribbean",
        "Caribbean, ten nights",
        129_000,
        "Miami, Grand Turk, San Juan, Nassau. Outside cabins from December to April.",
        "Leave Miami in the afternoon and wake up to another island most mornings. Ten nights in an outside cabin for two, all meals, \
         and a guide ashore in each harbour. Children under twelve sail free in their parents' cabin. Sails every second Saturday, \
         December to April.",
    ),
    (
        "fjords",
        "Norwegian fjords, seven nights",
        154_500,
        "Bergen, Geiranger, Ålesund, Flåm. The ship is small enough for the narrow ones.",
        "From Bergen into the Geirangerfjord and back along the coast, never more than three hundred guests on board. Seven nights, \
         half board, and one day on the railway from Flåm up to Myrdal. May to September.",
    ),
    (
        "baltic",
        "Baltic capitals, nine nights",
        141_000,
        "Copenhagen, Stockholm, Tallinn, Riga. Two nights in harbour where it is worth it.",
        "Four old towns within a stone's throw of the quay. Nine nights with breakfast, two of them in Stockholm, so that there is an \
         evening ashore. June to August.",
    ),
    (
        "nile",
        "The Nile, eight nights",
        118_000,
        "Luxor to Aswan and back, with an Egyptologist on board.",
        "A river ship of forty cabins. The temples in the early morning, before the coaches come; the river in the afternoon. Eight \
         nights, full board, October to March.",
    ),
    (
        "antarctic",
        "Antarctic Peninsula, fourteen nights",
        985_000,
        "From Ushuaia through the Drake Passage, landings by boat with naturalists.",
        "Fourteen nights on an ice-strengthened ship with a hundred guests. Two landings on most days, weather allowing. A doctor's word \
         that you may travel is needed. December to February; ask us about clothing.",
    ),
];

/// Puts in what is not there. `hashes` are those of [`PEOPLE`], in their order.
pub fn fill(transaction: &Transaction<'_>, now: Wall, hashes: &[PasswordHash; 4]) -> rusqlite::Result<()> {
    for (place, (id, name, price_cents, summary, description)) in (0..).zip(PRODUCTS) {
        let [id, name, summary, description] = [id, name, summary, description].map(str::to_owned);
        let expertise = Some("cruise".to_owned());
        add_product(transaction, &Product { id, name, summary, description, price_cents, expertise }, place)?;
    }
    let [rita, sam, carol, sue] = hashes;
    let cruise = ["cruise".to_owned()];
    staff::add(transaction, "rita", "Rita Reyes", "+16465550101", &cruise, &rita.0)?;
    staff::add(transaction, "sam", "Sam Olsen", "+16465550102", &[], &sam.0)?;
    let customer = Customer {
        id: 0,
        email: PEOPLE[2].1.to_owned(),
        name: "Carol Chen".to_owned(),
        address: "12 Harbor Street, Newport, RI 02840".to_owned(),
        phone: Some("+12125550100".to_owned()),
        voip: None,
        password_hash: carol.clone(),
    };
    add(transaction, now, &customer)?;
    let (id, name, address) = (PEOPLE[3].1.to_owned(), "Sue Stone".to_owned(), "+16465550103".to_owned());
    supervisors::add(transaction, &Supervisor { id, name, address, password_hash: sue.clone() })
}
