//! Customers 324: name, address, phone 326, VoIP address 328. Owns their table; refuses to verify a password.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::clock::Wall;
use crate::model::business::PasswordHash;

/// Accounts that strangers can make; beyond, none is made.
const MOST: i64 = 1_000_000;

/// A customer with an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Customer {
    /// Identifier 710: never leaves the server but signed.
    pub id: i64,
    /// Logs on with it.
    pub email: String,
    /// Name.
    pub name: String,
    /// Where letters go.
    pub address: String,
    /// 326: E.164.
    pub phone: Option<String>,
    /// 328: SIP URI or IP address.
    pub voip: Option<String>,
    /// Argon2id.
    pub password_hash: PasswordHash,
}

impl Customer {
    fn read(row: &Row<'_>) -> rusqlite::Result<Customer> {
        Ok(Customer {
            id: row.get("id")?,
            email: row.get("email")?,
            name: row.get("name")?,
            address: row.get("address")?,
            phone: row.get("phone")?,
            voip: row.get("voip")?,
            password_hash: PasswordHash(row.get("password_hash")?),
        })
    }

    /// Where they are called when they say nothing else: the VoIP address costs nothing, so it is preferred.
    pub fn contact(&self) -> Option<&str> {
        self.voip.as_deref().or(self.phone.as_deref())
    }
}

/// By identifier.
pub fn customer(connection: &Connection, id: i64) -> rusqlite::Result<Option<Customer>> {
    connection.prepare_cached("SELECT * FROM customers WHERE id = ?1")?.query_row([id], Customer::read).optional()
}

/// By what they log on with.
pub fn by_email(connection: &Connection, email: &str) -> rusqlite::Result<Option<Customer>> {
    let email = email.trim().to_lowercase();
    connection.prepare_cached("SELECT * FROM customers WHERE email = ?1")?.query_row([email], Customer::read).optional()
}

/// What a new account says; `id` is ignored. `None`: the address has one, or there are too many.
pub fn add(transaction: &Transaction<'_>, now: Wall, customer: &Customer) -> rusqlite::Result<Option<i64>> {
    let count: i64 = transaction.query_row("SELECT count(*) FROM customers", [], |row| row.get(0))?;
    if count >= MOST {
        return Ok(None);
    }
    let added = transaction.execute(
        "INSERT OR IGNORE INTO customers (email, name, address, phone, voip, password_hash, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            customer.email.trim().to_lowercase(),
            customer.name,
            customer.address,
            customer.phone,
            customer.voip,
            customer.password_hash.0,
            now.0
        ],
    )?;
    Ok((added == 1).then(|| transaction.last_insert_rowid()))
}

/// Changes what an account says, but for its email and password.
pub fn change(transaction: &Transaction<'_>, customer: &Customer) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE customers SET name = ?2, address = ?3, phone = ?4, voip = ?5 WHERE id = ?1",
        params![customer.id, customer.name, customer.address, customer.phone, customer.voip],
    )?;
    Ok(())
}
