//! `[encryption]`: the keys that messages may be encrypted to. Owns what these keys of the file mean; refuses to read the key files.

use std::path::PathBuf;

use super::reader::{Reader, Section};

/// How old a message that says its age may be, where nothing is said.
const MAX_AGE: u32 = 300;

/// `[encryption]`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncryptionConfig {
    /// Key files that partners encrypt to.
    pub keys: Vec<PathBuf>,
    /// Key files that are shown no more, but still open: partners may not have seen the new ones yet.
    pub retired: Vec<PathBuf>,
    /// An encrypted message must say when it was made (`iat`).
    pub require_time: bool,
    /// In seconds: a message that says when it was made is refused when it is older.
    pub max_age_seconds: u32,
}

pub(super) fn encryption(reader: &mut Reader, mut section: Section<'_>) -> EncryptionConfig {
    let mend =
        "write a list of files, such as keys = [\"jwe-2026-11.jwk\"]; make one with: callbridge keys make --out FILE";
    let mut files = |reader: &mut Reader, key| {
        let given = section.texts(reader, key, mend).unwrap_or_default();
        given.iter().map(|at| reader.path(&at.value)).collect()
    };
    let (keys, retired) = (files(reader, "keys"), files(reader, "retired"));
    let require_time = section.flag(reader, "require_time").unwrap_or(false);
    let max_age_seconds = section.integer(reader, "max_age_seconds", 10..=604_800).unwrap_or(MAX_AGE);
    section.finish(reader);
    EncryptionConfig { keys, retired, require_time, max_age_seconds }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const SWITCH: &str = "[[switch]]\nname = \"a\"\naddress = \"sip:192.0.2.1:5060;transport=udp\"\n";

    #[test]
    fn without_the_section_nothing_encrypted_is_read() {
        let encryption = parse(SWITCH, "t").unwrap().encryption;
        assert!(encryption.keys.is_empty() && encryption.retired.is_empty() && !encryption.require_time);
    }

    #[test]
    fn new_and_retired_keys_are_told_apart() {
        let text = "[encryption]\nkeys = [\"new.jwk\"]\nretired = [\"old.jwk\"]\nmax_age_seconds = 60\n";
        let encryption = parse(&format!("{text}{SWITCH}"), "t").unwrap().encryption;
        assert_eq!((encryption.keys.len(), encryption.retired.len(), encryption.max_age_seconds), (1, 1, 60));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = "[encryption]\nkeys = \"new.jwk\"\nmax_age_seconds = 1\n";
        let errors = parse(&format!("{text}{SWITCH}"), "t").unwrap_err().0;
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["encryption.keys", "encryption.max_age_seconds"]);
    }
}
