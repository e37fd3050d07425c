//! `[recording]`: where talks are recorded to, with which key, for how long, and whether those who talk are told. Owns what these keys mean, and that no key is shown; refuses
//! what encryption is.

use std::fmt;
use std::path::{Path, PathBuf};

use super::RecordingConfig;
use super::reader::{At, Reader, Section};
use super::trunk::first_line;

/// Digits of a key.
const DIGITS: usize = 64;

/// The key of all recordings; never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecordingSecret(pub [u8; 32]);

impl fmt::Debug for RecordingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordingSecret(…)")
    }
}

/// What was written.
pub(super) struct Written {
    folder: Option<PathBuf>,
    key: Option<RecordingSecret>,
    keep_days: Option<u32>,
    consent: bool,
}

pub(super) fn recording(reader: &mut Reader, mut section: Section<'_>) -> Written {
    let folder = section.path(reader, "folder").map(|at| at.value);
    let key = key(reader, &mut section);
    let keep_days = section.integer(reader, "keep_days", 1..=36_500);
    let consent = section.flag(reader, "consent").unwrap_or_default();
    section.finish(reader);
    Written { folder, key, keep_days, consent }
}

/// Beside the store, when no folder is named.
pub(super) fn finish(written: Written, folder: &Path) -> RecordingConfig {
    let folder = written.folder.unwrap_or_else(|| folder.join("talks"));
    RecordingConfig { folder, key: written.key, keep_days: written.keep_days, consent: written.consent }
}

fn key(reader: &mut Reader, section: &mut Section<'_>) -> Option<RecordingSecret> {
    let mend = "make one with: openssl rand -hex 32 > recording.key, and name it: key_file = \"recording.key\"";
    let At { place, value } = section.path(reader, "key_file")?;
    let problem = match first_line(&value) {
        Ok(line) => match parse(line.trim()) {
            Some(key) => return Some(key),
            None => format!("{}: not {DIGITS} hexadecimal digits", value.display()),
        },
        Err(problem) => format!("{}: {problem}", value.display()),
    };
    reader.error(&place, &section.key("key_file"), problem, mend);
    None
}

fn parse(text: &str) -> Option<RecordingSecret> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect::<Option<_>>()?;
    let mut key = [0; DIGITS / 2];
    if digits.len() != DIGITS {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    }
    Some(RecordingSecret(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixty_four_hexadecimal_digits_and_is_not_shown() {
        let key = parse(&"0aF".repeat(22)[..64]).unwrap();
        assert_eq!(key.0[..4], [0x0a, 0xf0, 0xaf, 0x0a]);
        assert_eq!(format!("{key:?}"), "RecordingSecret(…)");
        for bad in ["", "0a", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(64)] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
