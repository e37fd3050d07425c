//! A Rust file as the rules see it: its text, its code with comments and literals blanked, its functions, its paths. Owns
//! the scan; refuses to judge.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of the package.
pub struct Source {
    /// From the package's root, such as `src/io/tls.rs`.
    pub path: String,
    /// As it is on disk.
    pub text: String,
    /// The same lines with comments and the contents of literals blanked.
    pub code: String,
    /// `code` without items under `#[cfg(test)]`.
    pub shipped: String,
}

/// A function: where it begins and how many lines it has.
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// Every Rust file below these folders of the package.
pub fn files(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let path = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
        Source::new(path, text)
    };
    let sources: Vec<Source> = paths.into_iter().map(read).collect();
    assert!(!sources.is_empty(), "no files below {folders:?}");
    sources
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(|entry| entry.expect("a readable folder").path()) {
        if entry.is_dir() && entry.file_name().is_some_and(|name| name != "target") {
            collect(&entry, paths);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            paths.push(entry);
        }
    }
}

impl Source {
    pub fn new(path: String, text: String) -> Source {
        let code = blank(&text);
        let test_file = path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/");
        let shipped = if test_file { String::new() } else { without_tests(&code) };
        Source { path, text, code, shipped }
    }

    /// The room it belongs to: `src/io/tls.rs` → `io`, `src/clock.rs` → `clock`.
    pub fn room(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        rest.split('/').next().map(|first| first.trim_end_matches(".rs"))
    }

    /// Every path of shipped code that begins with `crate::`, groups expanded one level: `crate::{model::A, clock}` gives two.
    pub fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (at, _) in self.shipped.match_indices("crate::") {
            if at > 0 && self.shipped.as_bytes()[at - 1].is_ascii_alphanumeric() {
                continue;
            }
            let line = self.shipped[..at].matches('\n').count() + 1;
            let rest = &self.shipped[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(first_level(group).into_iter().map(|path| (line, path))),
                None => found.push((line, path_of(rest))),
            }
        }
        found
    }

    /// Every function, by its braces.
    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("fn ") {
            let before = self.code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &self.code[at + 3..];
            let name = path_of(rest);
            let opens = rest.find(['{', ';']);
            let Some(open) = opens.filter(|at| rest[*at..].starts_with('{') && !name.is_empty()) else { continue };
            let end = closing(&rest[open..]).unwrap_or(rest.len() - open);
            let line = self.code[..at].matches('\n').count() + 1;
            found.push(Function { name, line, lines: rest[..open + end].matches('\n').count() + 1 });
        }
        found
    }
}

fn path_of(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect()
}

fn first_level(group: &str) -> Vec<String> {
    let (mut paths, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                paths.push(path_of(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    paths.retain(|path| !path.is_empty());
    paths
}

/// Where the brace that opens `text` is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Items after `#[cfg(test)]` up to their closing brace or semicolon are blanked.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(at) = out.find("#[cfg(test)]") {
        let rest = &out[at..];
        let open = rest.find(['{', ';']).unwrap_or(rest.len() - 1);
        let end = if rest[open..].starts_with('{') { closing(&rest[open..]).unwrap_or(0) } else { 0 };
        let item: String = rest[..=open + end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(at..=at + open + end, &item);
    }
    out
}

/// Comments and the contents of literals become spaces; lines stay where they are.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = at + token(&bytes[at..], at.checked_sub(1).map(|before| bytes[before]));
        if end == at {
            out.push(if bytes[at].is_ascii() { bytes[at] } else { b'_' });
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|b| if *b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8(out).expect("blanked text is ASCII")
}

/// How long the comment or literal at the beginning of `text` is; 0 when there is none.
fn token(text: &[u8], before: Option<u8>) -> usize {
    let word = before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let until = |begin: usize, mark: &[u8]| {
        let found = text[begin..].windows(mark.len()).position(|window| window == mark);
        found.map_or(text.len(), |at| begin + at + mark.len())
    };
    match text {
        [b'/', b'/', ..] => until(0, b"\n") - usize::from(text.contains(&b'\n')),
        [b'/', b'*', ..] => until(2, b"*/"),
        [b'"', ..] => quoted(text, b'"'),
        [b'b', b'"' | b'\'', ..] if !word => 1 + quoted(&text[1..], text[1]),
        [b'r', b'"' | b'#', ..] | [b'b', b'r', ..] if !word => {
            let begin = usize::from(text[0] == b'b') + 1;
            let hashes = text[begin..].iter().take_while(|b| **b == b'#').count();
            if text.get(begin + hashes) != Some(&b'"') {
                return 0;
            }
            let mark: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
            until(begin + hashes + 1, &mark)
        }
        // A character, not a lifetime.
        [b'\'', b'\\', ..] => quoted(text, b'\''),
        [b'\'', first, ..] => {
            let length = match first {
                0x00..=0x7f => 1,
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            if text.get(1 + length) == Some(&b'\'') { 2 + length } else { 0 }
        }
        _ => 0,
    }
}

fn quoted(text: &[u8], mark: u8) -> usize {
    let mut at = 1;
    while let Some(b) = text.get(at) {
        match b {
            b'\\' => at += 2,
            b if *b == mark => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}
