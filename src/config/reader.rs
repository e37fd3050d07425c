//! Reads typed values out of a TOML tree with spans, environment variables over them, and collects every error on the way.
//! Owns types, places, unknown keys; refuses to know which keys exist (the sections ask by name).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Place, nearest};

/// The prefix of every variable that overrides a key.
pub(super) const PREFIX: &str = "CALLBRIDGE_";

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub place: Place,
    pub value: T,
}

/// The file's surroundings, and the errors found so far.
pub(super) struct Reader {
    name: String,
    base: PathBuf,
    /// Offsets at which lines begin.
    lines: Vec<usize>,
    variables: BTreeMap<String, String>,
    known_variables: BTreeSet<String>,
    errors: Vec<ConfigError>,
}

impl Reader {
    pub(super) fn new(text: &str, name: &str, base: &Path, variables: BTreeMap<String, String>) -> Reader {
        let lines =
            std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1));
        Reader {
            name: name.to_owned(),
            base: base.to_owned(),
            lines: lines.collect(),
            variables,
            known_variables: BTreeSet::new(),
            errors: Vec::new(),
        }
    }

    pub(super) fn line(&self, span: &Range<usize>) -> Place {
        Place::Line(self.name.clone(), self.lines.partition_point(|begin| *begin <= span.start))
    }

    pub(super) fn whole_file(&self) -> Place {
        Place::File(self.name.clone())
    }

    pub(super) fn error(&mut self, place: &Place, key: &str, problem: impl Display, mend: impl Display) {
        let (problem, mend) = (problem.to_string(), mend.to_string());
        self.errors.push(ConfigError { place: place.clone(), key: key.to_owned(), problem, mend });
    }

    /// Relative paths are relative to the file's folder, wherever the daemon was started.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }

    /// The section `[name]`, which may be absent.
    pub(super) fn section<'t>(&mut self, root: &mut Section<'t>, name: &'static str) -> Section<'t> {
        let variable = format!("{PREFIX}{}_", name.to_ascii_uppercase());
        let table = root.table(self, name, "write it as a table");
        Section { path: name.to_owned(), table, known: Vec::new(), variable: Some(variable) }
    }

    /// Everything found, in the order of the file. Variables that nobody asked for are errors as well.
    pub(super) fn finish(mut self) -> Vec<ConfigError> {
        for name in std::mem::take(&mut self.variables).into_keys() {
            let mend = match nearest(&name, self.known_variables.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}? Otherwise unset it"),
                None => format!("unset it; a variable is {PREFIX}<SECTION>_<KEY>, such as {PREFIX}HTTP_LISTEN"),
            };
            self.error(&Place::Variable(name), "unknown variable", "no key has this name", mend);
        }
        self.errors.sort();
        self.errors
    }
}

/// One table, asked key by key; what was not asked for is unknown.
pub(super) struct Section<'t> {
    path: String,
    table: Option<(&'t DeTable<'t>, Place)>,
    known: Vec<&'static str>,
    /// Set where variables may override.
    variable: Option<String>,
}

/// A value from either source, before its type is known.
enum Raw<'t> {
    Toml(&'t DeValue<'t>),
    Variable(String),
}

impl<'t> Section<'t> {
    pub(super) fn root(table: &'t DeTable<'t>, place: Place) -> Section<'t> {
        Section { path: String::new(), table: Some((table, place)), known: Vec::new(), variable: None }
    }

    /// The key's full name.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where the table begins, or the file when it is absent.
    pub(super) fn place(&self, reader: &Reader) -> Place {
        self.table.as_ref().map_or_else(|| reader.whole_file(), |(_, place)| place.clone())
    }

    /// Whether a value was given, good or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.as_ref().is_some_and(|(table, _)| table.contains_key(key))
    }

    /// From now on variables may override the keys of this entry of a list: `CALLBRIDGE_SWITCH_<NAME>_<KEY>`, the name in
    /// capitals, anything but letters and digits as `_`. Gives what they begin with.
    pub(super) fn variables_of(&mut self, name: &str) -> String {
        let list = self.path.split('[').next().unwrap_or_default().to_ascii_uppercase();
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let variables = format!("{PREFIX}{list}_{}_", name.chars().map(plain).collect::<String>());
        self.variable = Some(variables.clone());
        variables
    }

    fn take(&mut self, reader: &mut Reader, key: &'static str) -> Option<At<Raw<'t>>> {
        self.known.push(key);
        if let Some(prefix) = &self.variable {
            let name = format!("{prefix}{}", key.to_ascii_uppercase());
            reader.known_variables.insert(name.clone());
            if let Some(text) = reader.variables.remove(&name) {
                return Some(At { place: Place::Variable(name), value: Raw::Variable(text) });
            }
        }
        let value: &'t Spanned<DeValue<'t>> = self.table.as_ref()?.0.get(key)?;
        Some(At { place: reader.line(&value.span()), value: Raw::Toml(value.get_ref()) })
    }

    fn wrong_type(&self, reader: &mut Reader, at: &At<Raw<'t>>, key: &str, wanted: &str, mend: &str) {
        let found = match &at.value {
            Raw::Toml(value) => value.type_str(),
            Raw::Variable(_) => "some text",
        };
        reader.error(&at.place, &self.key(key), format!("{wanted} is wanted, this is {}", article(found)), mend);
    }

    /// A text.
    pub(super) fn text(&mut self, reader: &mut Reader, key: &'static str, mend: &str) -> Option<At<String>> {
        let at = self.take(reader, key)?;
        match &at.value {
            Raw::Variable(text) => Some(At { place: at.place, value: text.clone() }),
            Raw::Toml(DeValue::String(text)) => Some(At { place: at.place, value: text.to_string() }),
            Raw::Toml(_) => {
                self.wrong_type(reader, &at, key, "a text in quotes", mend);
                None
            }
        }
    }

    /// A text that `read` understands; its error is the problem.
    pub(super) fn read<T, E: Display>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        mend: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<At<T>> {
        let At { place, value } = self.text(reader, key, mend)?;
        match read(&value) {
            Ok(value) => Some(At { place, value }),
            Err(problem) => {
                reader.error(&place, &self.key(key), format!("{value:?} is {problem}"), mend);
                None
            }
        }
    }

    /// A path, made absolute against the file's folder.
    pub(super) fn path(&mut self, reader: &mut Reader, key: &'static str) -> Option<At<PathBuf>> {
        let At { place, value } = self.text(reader, key, "write a path in quotes")?;
        if value.is_empty() || value.contains('\0') {
            reader.error(&place, &self.key(key), "an empty path", "name a file, or leave the key out");
            return None;
        }
        Some(At { place, value: reader.path(&value) })
    }

    /// A whole number within bounds.
    pub(super) fn integer<N: TryFrom<i64>>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        bounds: RangeInclusive<i64>,
    ) -> Option<N> {
        self.located_integer(reader, key, bounds).map(|at| at.value)
    }

    /// The same, with its place.
    pub(super) fn located_integer<N: TryFrom<i64>>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        bounds: RangeInclusive<i64>,
    ) -> Option<At<N>> {
        let at = self.take(reader, key)?;
        let mend = format!("write a whole number from {} to {}", bounds.start(), bounds.end());
        let number = match &at.value {
            Raw::Variable(text) => text.trim().parse::<i64>().ok(),
            Raw::Toml(DeValue::Integer(number)) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            Raw::Toml(_) => None,
        };
        let Some(number) = number else {
            self.wrong_type(reader, &at, key, "a whole number", &mend);
            return None;
        };
        match N::try_from(number).ok().filter(|_| bounds.contains(&number)) {
            Some(value) => Some(At { place: at.place, value }),
            None => {
                reader.error(&at.place, &self.key(key), format!("{number} is out of bounds"), mend);
                None
            }
        }
    }

    /// true or false.
    pub(super) fn flag(&mut self, reader: &mut Reader, key: &'static str) -> Option<bool> {
        let at = self.take(reader, key)?;
        let flag = match &at.value {
            Raw::Variable(text) => text.trim().parse::<bool>().ok(),
            Raw::Toml(value) => value.as_bool(),
        };
        if flag.is_none() {
            self.wrong_type(reader, &at, key, "true or false", &format!("write {key} = true or {key} = false"));
        }
        flag
    }

    /// A list of texts; in a variable, parted by commas.
    pub(super) fn texts(&mut self, reader: &mut Reader, key: &'static str, mend: &str) -> Option<Vec<At<String>>> {
        let at = self.take(reader, key)?;
        let list = match &at.value {
            Raw::Variable(text) => {
                let part = |part: &str| At { place: at.place.clone(), value: part.trim().to_owned() };
                return Some(text.split(',').map(part).collect());
            }
            Raw::Toml(value) => value.as_array(),
        };
        let Some(list) = list else {
            self.wrong_type(reader, &at, key, "a list of texts", mend);
            return None;
        };
        let mut texts = Vec::new();
        for item in list.iter() {
            let place = reader.line(&item.span());
            match item.get_ref().as_str() {
                Some(text) => texts.push(At { place, value: text.to_owned() }),
                None => {
                    let item = At { place, value: Raw::Toml(item.get_ref()) };
                    self.wrong_type(reader, &item, key, "a text in quotes", mend);
                }
            }
        }
        Some(texts)
    }

    /// A list of whole numbers within bounds; in a variable, parted by commas.
    pub(super) fn integers<N: TryFrom<i64>>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        most: usize,
        bounds: RangeInclusive<i64>,
        mend: &str,
    ) -> Option<Vec<N>> {
        let at = self.take(reader, key)?;
        let numbers: Option<Vec<i64>> = match &at.value {
            Raw::Variable(text) => text.split(',').map(|part| part.trim().parse().ok()).collect(),
            Raw::Toml(DeValue::Array(list)) => {
                let whole = |item: &DeValue<'_>| match item {
                    DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
                    _ => None,
                };
                list.iter().map(|item| whole(item.get_ref())).collect()
            }
            Raw::Toml(_) => None,
        };
        let Some(numbers) = numbers else {
            self.wrong_type(reader, &at, key, "a list of whole numbers", mend);
            return None;
        };
        if numbers.len() > most {
            reader.error(&at.place, &self.key(key), format!("more than {most}"), mend);
            return None;
        }
        let mut read = Vec::with_capacity(numbers.len());
        for number in numbers {
            match N::try_from(number).ok().filter(|_| bounds.contains(&number)) {
                Some(number) => read.push(number),
                None => reader.error(&at.place, &self.key(key), format!("{number} is out of bounds"), mend),
            }
        }
        Some(read)
    }

    fn table(&mut self, reader: &mut Reader, key: &'static str, mend: &str) -> Option<(&'t DeTable<'t>, Place)> {
        // Variables name scalar keys only.
        let variable = self.variable.take();
        let at = self.take(reader, key);
        self.variable = variable;
        let at = at?;
        let Raw::Toml(value) = &at.value else { return None };
        let value: &'t DeValue<'t> = value;
        match value.as_table() {
            Some(table) => Some((table, at.place)),
            None => {
                self.wrong_type(reader, &at, key, "a table", mend);
                None
            }
        }
    }

    /// A table within this one, which may be absent.
    pub(super) fn child(&mut self, reader: &mut Reader, key: &'static str, mend: &str) -> Section<'t> {
        let table = self.table(reader, key, mend);
        let variable = self.variable.as_ref().map(|prefix| format!("{prefix}{}_", key.to_ascii_uppercase()));
        Section { path: self.key(key), table, known: Vec::new(), variable }
    }

    /// A table of texts whose keys are not ours to know, in the order of the file; absent: none.
    pub(super) fn pairs(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        mend: &str,
    ) -> Vec<(At<String>, At<String>)> {
        let Some((table, _)) = self.table(reader, key, mend) else { return Vec::new() };
        let mut pairs = Vec::new();
        for (name, value) in table.iter() {
            let place = reader.line(&value.span());
            match value.get_ref().as_str() {
                Some(text) => {
                    let name = At { place: reader.line(&name.span()), value: name.get_ref().to_string() };
                    pairs.push((name, At { place, value: text.to_owned() }));
                }
                None => {
                    let value = At { place, value: Raw::Toml(value.get_ref()) };
                    self.wrong_type(reader, &value, key, "a text in quotes", mend);
                }
            }
        }
        pairs
    }

    /// Whether the table is in the file.
    pub(super) fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// A list of tables, `[[key]]`.
    pub(super) fn children(&mut self, reader: &mut Reader, key: &'static str) -> Vec<Section<'t>> {
        let Some(at) = self.take(reader, key) else { return Vec::new() };
        let mend = format!("begin each one with [[{key}]]");
        let Raw::Toml(DeValue::Array(list)) = &at.value else {
            self.wrong_type(reader, &at, key, "a list of tables", &mend);
            return Vec::new();
        };
        let list: &'t [Spanned<DeValue<'t>>] = list;
        let mut sections = Vec::new();
        for (number, item) in list.iter().enumerate() {
            let place = reader.line(&item.span());
            match item.get_ref().as_table() {
                Some(table) => {
                    let path = format!("{key}[{}]", number + 1);
                    sections.push(Section { path, table: Some((table, place)), known: Vec::new(), variable: None });
                }
                None => reader.error(&place, &self.key(key), "a list of tables is wanted", &mend),
            }
        }
        sections
    }

    /// Whatever nobody asked for is an error, with the nearest known key.
    pub(super) fn finish(self, reader: &mut Reader) {
        let Some((table, _)) = &self.table else { return };
        for name in table.keys() {
            let word: &str = name.get_ref();
            if self.known.contains(&word) {
                continue;
            }
            let mend = match nearest(word, self.known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("remove it; the keys here are {}", self.known.join(", ")),
            };
            reader.error(&reader.line(&name.span()), &self.key(word), "unknown key", mend);
        }
    }
}

fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    if noun.starts_with("some") { noun.to_owned() } else { format!("{} {noun}", if vowel { "an" } else { "a" }) }
}
