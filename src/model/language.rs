//! A language that somebody is spoken to in: the short form of its tag (RFC 5646): a language and perhaps a region. Owns that
//! form; which texts and voices there are is configuration's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `en`, `de`, `pt-BR`: two or three letters, perhaps a region of two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language([u8; 6]);

/// The text is no such tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a language such as \"en\", \"de\" or \"pt-BR\"")]
pub struct NoLanguage;

impl Language {
    /// What is spoken where nobody says otherwise.
    pub const ENGLISH: Language = Language(*b"en\0\0\0\0");

    /// Its tag.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        // Only ASCII is ever put in.
        self.0.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("en")
    }

    /// Without its region: where there is nothing for `de-AT` there may be for `de`.
    pub fn without_region(&self) -> Language {
        let mut bytes = self.0;
        if let Some(dash) = bytes.iter().position(|byte| *byte == b'-') {
            bytes.iter_mut().skip(dash).for_each(|byte| *byte = 0);
        }
        Language(bytes)
    }
}

impl FromStr for Language {
    type Err = NoLanguage;

    fn from_str(text: &str) -> Result<Language, NoLanguage> {
        let (language, region) = match text.split_once('-') {
            Some((language, region)) => (language, Some(region)),
            None => (text, None),
        };
        let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !(2..=3).contains(&language.len()) || !letters(language) {
            return Err(NoLanguage);
        }
        if region.is_some_and(|region| region.len() != 2 || !letters(region)) {
            return Err(NoLanguage);
        }
        let tag = match region {
            Some(region) => format!("{}-{}", language.to_ascii_lowercase(), region.to_ascii_uppercase()),
            None => language.to_ascii_lowercase(),
        };
        let mut bytes = [0; 6];
        bytes.iter_mut().zip(tag.bytes()).for_each(|(to, from)| *to = from);
        Ok(Language(bytes))
    }
}

impl TryFrom<String> for Language {
    type Error = NoLanguage;

    fn try_from(text: String) -> Result<Language, NoLanguage> {
        text.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.as_str().to_owned()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_one_form_and_falls_back_to_its_language() {
        let tag = |text: &str| text.parse::<Language>().map(|language| language.to_string());
        assert_eq!(tag("DE"), Ok("de".to_owned()));
        assert_eq!(tag("pt-br"), Ok("pt-BR".to_owned()));
        assert_eq!(tag("gsw-CH"), Ok("gsw-CH".to_owned()));
        assert_eq!("de-AT".parse::<Language>().unwrap().without_region(), "de".parse().unwrap());
        for bad in ["", "d", "deut", "de_AT", "de-", "de-AUT", "d\u{e9}", "de-A1", "en-US-x"] {
            assert_eq!(tag(bad), Err(NoLanguage), "{bad}");
        }
        assert!(serde_json::from_str::<Language>("\"german\"").is_err());
    }
}
