//! Who runs this command, for the audit trail: the user of the operating system. Owns how it is named; nothing that the environment says is
//! believed, but for the name behind `sudo`, which stands beside the user and not in its place.

use crate::io::clock::SystemClock;
use crate::model::{Actor, Who};

/// Longest name that is taken over.
const MAX_NAME_BYTES: usize = 64;

/// Whoever runs this process, now.
pub(super) fn who() -> Who {
    let id = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut user = name_of(&users, id).unwrap_or_else(|| format!("uid {id}"));
    if let Some(behind) = std::env::var("SUDO_USER").ok().filter(|name| plain(name)) {
        user = format!("{user} (sudo, {behind})");
    }
    Who { actor: Actor::CommandLine { user }, source: None, at: SystemClock::start().now().wall }
}

fn plain(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
}

/// The name of a user in the lines of passwd(5).
fn name_of(users: &str, id: u32) -> Option<String> {
    let mut lines = users.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let (name, own) = (fields.next()?, fields.nth(1)?);
        (own.parse() == Ok(id) && plain(name)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\ncallbridge:x:999:999::/nowhere:/bin/false\n";
        assert_eq!(name_of(users, 999).as_deref(), Some("callbridge"));
        assert_eq!(name_of(users, 7), None);
    }
}
