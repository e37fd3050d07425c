//! What is wrong with a configuration: where, which key, what, and the mend. Owns the wording's shape and the order in which
//! errors are shown; refuses to know any key.

use std::fmt;

/// Where a value stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// The file as a whole: it is missing a thing, or cannot be read.
    File(String),
    /// A line of the file, counted from 1.
    Line(String, usize),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(name) => f.write_str(name),
            Place::Line(name, line) => write!(f, "{name}:{line}"),
            Place::Variable(name) => write!(f, "environment {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
#[error("{place}: {key}: {problem}\n    mend: {mend}")]
pub struct ConfigError {
    /// File and line, or variable.
    pub place: Place,
    /// The key with its section, such as `http.listen`.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub mend: String,
}

/// Everything that is wrong, in the order of the file. Never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The known word nearest to `word`, when it is near enough to be a slip of the pen.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, on words of a bounded length.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(80).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(80).enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (y, pair) in b.iter().zip(row.windows(2)) {
            let (&[diagonal, above], Some(&left)) = (pair, next.last()) else { continue };
            next.push((diagonal + usize::from(x != *y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_word() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("lisen", ["listen", "insecure", "tls"]), Some("listen"));
        assert_eq!(nearest("colour", ["listen", "insecure", "tls"]), None);
        assert_eq!(nearest("", ["listen"]), None);
    }
}
