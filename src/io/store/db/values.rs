//! Parameters and columns: what a statement is given, and what its rows hold, in both databases. Owns the conversions; refuses to guess: a
//! column of another type is an error.

use bytes::BytesMut;
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, ToSql, Type};

use super::error::{Error, Result};

/// One value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in super::super) enum Value<'a> {
    /// NULL.
    Null,
    /// A number.
    Integer(i64),
    /// True or false: a number in the tables.
    Truth(bool),
    /// A sum.
    Real(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// What can be given to a statement.
pub(in super::super) trait Param {
    /// As a value.
    fn value(&self) -> Value<'_>;
}

/// Parameters in their order.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$(&$value as &dyn $crate::io::store::db::Param),*] as &[&dyn $crate::io::store::db::Param] };
}
pub(in super::super) use params;

macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl Param for $number {
            fn value(&self) -> Value<'_> {
                // What is counted here never comes near the end of 63 bits; beyond it is the largest there is.
                Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }

        impl FromValue for $number {
            const WANTED: &'static str = stringify!($number);

            fn of(value: Value<'_>) -> Option<$number> {
                if let Value::Integer(number) = value { number.try_into().ok() } else { None }
            }
        }
    )* };
}
numbers!(i64, u64, u32, u16, usize);

impl Param for bool {
    fn value(&self) -> Value<'_> {
        Value::Truth(*self)
    }
}

impl Param for str {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Param for String {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl<const N: usize> Param for [u8; N] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl<T: Param + ?Sized> Param for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: Param> Param for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Param::value)
    }
}

/// What can be read from a column.
pub(in super::super) trait FromValue: Sized {
    /// What it is called in errors.
    const WANTED: &'static str;

    /// Itself, where the column holds it.
    fn of(value: Value<'_>) -> Option<Self>;
}

impl FromValue for bool {
    const WANTED: &'static str = "truth";

    fn of(value: Value<'_>) -> Option<bool> {
        match value {
            Value::Integer(number) => Some(number != 0),
            Value::Truth(truth) => Some(truth),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    const WANTED: &'static str = "sum";

    fn of(value: Value<'_>) -> Option<f64> {
        if let Value::Real(sum) = value { Some(sum) } else { None }
    }
}

impl FromValue for String {
    const WANTED: &'static str = "text";

    fn of(value: Value<'_>) -> Option<String> {
        if let Value::Text(text) = value { Some(text.to_owned()) } else { None }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    const WANTED: &'static str = "bytes of this number";

    fn of(value: Value<'_>) -> Option<[u8; N]> {
        if let Value::Bytes(bytes) = value { bytes.try_into().ok() } else { None }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const WANTED: &'static str = T::WANTED;

    fn of(value: Value<'_>) -> Option<Option<T>> {
        if value == Value::Null { Some(None) } else { T::of(value).map(Some) }
    }
}

/// A row of either database.
pub(in super::super) enum Row<'r> {
    /// SQLite's.
    Sqlite(&'r rusqlite::Row<'r>),
    /// PostgreSQL's.
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// The column of this number, from 0.
    pub(in super::super) fn get<T: FromValue>(&self, at: usize) -> Result<T> {
        T::of(self.value(at)?).ok_or(Error::Column { at, wanted: T::WANTED })
    }

    /// A text, where it lies.
    pub(in super::super) fn text(&self, at: usize) -> Result<&str> {
        match self.value(at)? {
            Value::Text(text) => Ok(text),
            _ => Err(Error::Column { at, wanted: "text" }),
        }
    }

    fn value(&self, at: usize) -> Result<Value<'_>> {
        match self {
            Row::Sqlite(row) => match row.get_ref(at)? {
                ValueRef::Null => Ok(Value::Null),
                ValueRef::Integer(number) => Ok(Value::Integer(number)),
                ValueRef::Real(sum) => Ok(Value::Real(sum)),
                ValueRef::Text(text) => {
                    std::str::from_utf8(text).map(Value::Text).map_err(|_| Error::Column { at, wanted: "UTF-8" })
                }
                ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes)),
            },
            Row::Postgres(row) => of_postgres(row, at),
        }
    }
}

fn of_postgres(row: &tokio_postgres::Row, at: usize) -> Result<Value<'_>> {
    let unreadable = |_| Error::Column { at, wanted: "value of its type" };
    let column = row.columns().get(at).ok_or(Error::Column { at, wanted: "value: there is no such column" })?;
    let value = match *column.type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(at).map_err(unreadable)?.map(Value::Integer),
        Type::INT4 => {
            row.try_get::<_, Option<i32>>(at).map_err(unreadable)?.map(|number| Value::Integer(number.into()))
        }
        Type::BOOL => row.try_get::<_, Option<bool>>(at).map_err(unreadable)?.map(Value::Truth),
        Type::TEXT | Type::VARCHAR => row.try_get::<_, Option<&str>>(at).map_err(unreadable)?.map(Value::Text),
        Type::BYTEA => row.try_get::<_, Option<&[u8]>>(at).map_err(unreadable)?.map(Value::Bytes),
        Type::FLOAT8 => row.try_get::<_, Option<f64>>(at).map_err(unreadable)?.map(Value::Real),
        _ => return Err(Error::Column { at, wanted: "type that is known here" }),
    };
    Ok(value.unwrap_or(Value::Null))
}

/// The parameters as SQLite takes them; nothing is copied.
pub(super) fn bound<'v>(values: &'v [&'v dyn Param]) -> impl rusqlite::Params + 'v {
    rusqlite::params_from_iter(values.iter().map(|value| value.value()))
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Truth(truth) => ValueRef::Integer((*truth).into()),
            Value::Real(sum) => ValueRef::Real(*sum),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// By the type that the server has found for the parameter.
impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        wanted: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, wanted) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Integer(number), &Type::INT8) => number.to_sql(wanted, out),
            (Value::Integer(number), &Type::INT4) => i32::try_from(*number)?.to_sql(wanted, out),
            (Value::Truth(truth), &Type::BOOL) => truth.to_sql(wanted, out),
            (Value::Truth(truth), &Type::INT8) => i64::from(*truth).to_sql(wanted, out),
            (Value::Real(sum), &Type::FLOAT8) => sum.to_sql(wanted, out),
            // A text of PostgreSQL has no zero byte; SQLite keeps one, and shows what is before it.
            (Value::Text(text), &(Type::TEXT | Type::VARCHAR)) if text.contains('\0') => {
                text.replace('\0', "\u{fffd}").to_sql(wanted, out)
            }
            (Value::Text(text), &(Type::TEXT | Type::VARCHAR)) => text.to_sql(wanted, out),
            (Value::Bytes(bytes), &Type::BYTEA) => bytes.to_sql(wanted, out),
            (value, wanted) => Err(format!("{value:?} is no {wanted}").into()),
        }
    }

    fn accepts(_wanted: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}
