//! Strict JSON: one value, no duplicate names, bounded depth; errors say line and column. Owns the tree that messages are
//! read from; refuses to know any field.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 8;

/// A JSON value; objects sorted by name.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// Any number: no field of ours is one.
    Number(serde_json::Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// The word for error messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::List(_) => "an array",
            Json::Object(_) => "an object",
        }
    }

    /// Writes it in one form only (names sorted, no spaces), for hashing.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        match self {
            Json::Null => out.extend_from_slice(b"null"),
            Json::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Json::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Json::Text(text) => write_text(text, out),
            Json::List(items) => {
                out.push(b'[');
                for item in items {
                    item.write_canonical(out);
                    out.push(b',');
                }
                out.push(b']');
            }
            Json::Object(fields) => {
                out.push(b'{');
                for (name, value) in fields {
                    write_text(name, out);
                    out.push(b':');
                    value.write_canonical(out);
                    out.push(b',');
                }
                out.push(b'}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // A String always serialises into a Vec.
    let _ = serde_json::to_writer(out, text);
}

/// Why a body is no JSON of ours, with line and column counted from 1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not valid JSON at line {line}, column {column}: {what}")]
pub struct JsonError {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
    /// What was wrong there; quotes nothing of the body.
    pub what: String,
}

/// Reads a whole body.
pub fn parse(bytes: &[u8]) -> Result<Json, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Depth(0).deserialize(&mut reader).and_then(|json| reader.end().map(|()| json)).map_err(|error| JsonError {
        line: error.line(),
        column: error.column(),
        what: describe(&error),
    })
}

/// serde_json appends " at line 1 column 2": said once is enough.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

struct Depth(usize);

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let inner = self.0 + 1;
        if inner > MAX_DEPTH {
            return Err(A::Error::custom("nested too deeply"));
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Depth(inner))? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let inner = self.0 + 1;
        if inner > MAX_DEPTH {
            return Err(A::Error::custom("nested too deeply"));
        }
        let mut fields = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom("a name is given twice in one object"));
            }
            let value = map.next_value_seed(Depth(inner))?;
            fields.insert(name, value);
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn duplicate_names_and_deep_nesting_are_refused_with_their_place() {
        let error = parse(b"{\"a\": 1,\n \"a\": 2}").unwrap_err();
        assert_eq!((error.line, error.what.as_str()), (2, "a name is given twice in one object"));
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        assert_eq!(parse(deep.as_bytes()).unwrap_err().what, "nested too deeply");
        assert!(parse(b"{} {}").is_err());
        assert!(parse(b"").is_err());
        assert!(parse(b"{\"a\": \"\xff\"}").is_err());
    }

    #[test]
    fn the_canonical_form_does_not_depend_on_order_or_spaces() {
        let write = |text: &str| {
            let mut out = Vec::new();
            parse(text.as_bytes()).unwrap().write_canonical(&mut out);
            out
        };
        assert_eq!(write("{\"b\":[1,\"x\"],\"a\":null}"), write("{ \"a\" : null, \"b\" : [ 1 , \"\\u0078\" ] }"));
        assert_ne!(write("{\"a\":\"1\"}"), write("{\"a\":1}"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_serde_json_takes_is_taken_unless_a_name_repeats(text in "[\\[\\]{}:,\"a1 ]{0,24}") {
            let ours = parse(text.as_bytes());
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match ours {
                Ok(_) => prop_assert!(theirs.is_ok()),
                Err(error) => prop_assert!(theirs.is_err() || error.what.contains("twice") || error.what.contains("deeply")),
            }
        }
    }
}
