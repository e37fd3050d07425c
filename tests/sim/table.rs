//! The table of planted bugs in docs/ladders/README.md: written by the test run itself, so that it is true. Owns its rows between
//! two marks; whatever stands around them is written by hand.

use std::path::PathBuf;

use crate::planted::Bug;
use crate::promises::Promise;

/// The rows stand between these lines.
const BEGIN: &str = "<!-- written by every_planted_bug_is_caught_by_its_promise: UPDATE_LADDERS=1 -->\n";
const END: &str = "<!-- end of what is written -->\n";

/// What a planted bug does, in the words of its declaration.
fn words(bug: Bug) -> String {
    let source = include_str!("planted.rs");
    let variant = format!("    {bug:?},");
    let lines: Vec<&str> = source.lines().collect();
    let at = lines.iter().position(|line| *line == variant).unwrap_or_else(|| panic!("{bug:?} is declared"));
    let said = lines[..at].iter().rev().map_while(|line| line.strip_prefix("    /// "));
    let mut said: Vec<&str> = said.collect();
    said.reverse();
    said.join(" ")
}

fn rows(caught: &[(Bug, Promise, u64)]) -> String {
    let mut text = String::from("| bug | what it does | caught by | seed |\n| --- | --- | --- | --- |\n");
    for (bug, promise, seed) in caught {
        text.push_str(&format!("| `{bug:?}` | {} | `{promise:?}` | {seed} |\n", words(*bug)));
    }
    text
}

/// Compares the table with what was just found, or writes it; what differs is returned.
pub fn compare(caught: &[(Bug, Promise, u64)]) -> Vec<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/ladders/README.md");
    let text = std::fs::read_to_string(&file).expect("docs/ladders/README.md");
    let (before, rest) = text.split_once(BEGIN).expect("the first mark of the table");
    let (old, after) = rest.split_once(END).expect("the last mark of the table");
    let new = format!("\n{}\n", rows(caught));
    if std::env::var_os("UPDATE_LADDERS").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{new}{END}{after}")).expect("the table is written");
        return Vec::new();
    }
    let missing =
        new.lines().filter(|line| !old.lines().any(|other| other == *line)).map(|line| format!("new: {line}"));
    let stale = old.lines().filter(|line| !new.lines().any(|other| other == *line)).map(|line| format!("old: {line}"));
    let moved =
        (old != new && missing.clone().chain(stale.clone()).next().is_none()).then(|| "another order".to_owned());
    missing.chain(stale).chain(moved).collect()
}
