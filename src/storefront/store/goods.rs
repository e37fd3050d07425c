//! Products and orders 321. Owns their tables; refuses prices that anybody but the table says.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::clock::Wall;

/// What is sold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    /// In addresses.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A line.
    pub summary: String,
    /// The whole text (402).
    pub description: String,
    /// Of one, in US cents.
    pub price_cents: i64,
    /// Whom its page asks for (910).
    pub expertise: Option<String>,
}

impl Product {
    fn read(row: &Row<'_>) -> rusqlite::Result<Product> {
        Ok(Product {
            id: row.get("id")?,
            name: row.get("name")?,
            summary: row.get("summary")?,
            description: row.get("description")?,
            price_cents: row.get("price_cents")?,
            expertise: row.get("expertise")?,
        })
    }

    /// `$1,290.00`
    pub fn price(&self) -> String {
        money(self.price_cents)
    }
}

/// Of US cents.
pub fn money(cents: i64) -> String {
    let (dollars, cents) = (cents / 100, cents % 100);
    let digits = dollars.to_string();
    let mut text = String::with_capacity(digits.len() + 6);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("${text}.{cents:02}")
}

/// All of them, in the order of the shop.
pub fn products(connection: &Connection) -> rusqlite::Result<Vec<Product>> {
    let mut statement = connection.prepare_cached("SELECT * FROM products ORDER BY place LIMIT 500")?;
    statement.query_map([], Product::read)?.collect()
}

/// One of them.
pub fn product(connection: &Connection, id: &str) -> rusqlite::Result<Option<Product>> {
    connection.prepare_cached("SELECT * FROM products WHERE id = ?1")?.query_row([id], Product::read).optional()
}

/// Adds one, if there is none of this identifier.
pub fn add_product(transaction: &Transaction<'_>, product: &Product, place: i64) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT OR IGNORE INTO products (id, place, name, summary, description, price_cents, expertise) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            product.id,
            place,
            product.name,
            product.summary,
            product.description,
            product.price_cents,
            product.expertise
        ],
    )?;
    Ok(())
}

/// An order to be stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewOrder {
    /// Whose, where they have an account.
    pub customer: Option<i64>,
    /// Who it is for, in words.
    pub customer_text: String,
    /// What.
    pub product: String,
    /// How many, 1 to 99.
    pub quantity: u32,
    /// Who took it, and in which call; neither for an order of the shopping cart.
    pub taken: Option<(String, String)>,
    /// Words to it.
    pub note: String,
}

/// Stores it at the price of now. `None`: there is no such product.
pub fn order(transaction: &Transaction<'_>, now: Wall, order: &NewOrder) -> rusqlite::Result<Option<i64>> {
    let Some(product) = product(transaction, &order.product)? else { return Ok(None) };
    let (representative, request) = order.taken.as_ref().map(|(who, call)| (who, call)).unzip();
    transaction.execute(
        "INSERT INTO orders (created_at, customer, customer_text, product, quantity, price_cents, representative, request, note) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            now.0,
            order.customer,
            order.customer_text,
            order.product,
            order.quantity,
            product.price_cents,
            representative,
            request,
            order.note
        ],
    )?;
    Ok(Some(transaction.last_insert_rowid()))
}

/// An order as people see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Wall,
    /// For whom.
    pub customer: String,
    /// What.
    pub product: String,
    /// How many.
    pub quantity: u32,
    /// All of it, in cents.
    pub total_cents: i64,
    /// Who took it; empty: the shopping cart.
    pub representative: String,
    /// Words to it.
    pub note: String,
}

impl Order {
    fn read(row: &Row<'_>) -> rusqlite::Result<Order> {
        let (quantity, price): (u32, i64) = (row.get("quantity")?, row.get("price_cents")?);
        Ok(Order {
            id: row.get("id")?,
            at: Wall(row.get("created_at")?),
            customer: row.get("customer_text")?,
            product: row.get("name")?,
            quantity,
            total_cents: price.saturating_mul(quantity.into()),
            representative: row.get::<_, Option<String>>("representative")?.unwrap_or_default(),
            note: row.get("note")?,
        })
    }

    /// `$2,580.00`
    pub fn total(&self) -> String {
        money(self.total_cents)
    }
}

const ORDERS: &str = "SELECT orders.*, products.name FROM orders JOIN products ON products.id = orders.product";

/// The newest of all, or of one customer.
pub fn orders(connection: &Connection, customer: Option<i64>, limit: u32) -> rusqlite::Result<Vec<Order>> {
    let text = format!("{ORDERS} WHERE ?1 IS NULL OR orders.customer = ?1 ORDER BY orders.id DESC LIMIT ?2");
    connection.prepare_cached(&text)?.query_map(params![customer, limit], Order::read)?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_for_people() {
        let shown = [0, 5, 99_900, 129_000, 123_456_789].map(money);
        assert_eq!(shown, ["$0.00", "$0.05", "$999.00", "$1,290.00", "$1,234,567.89"]);
    }
}
