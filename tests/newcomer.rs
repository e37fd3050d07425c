//! A newcomer's test: the README's commands literally, in what is committed. The blocks are read out of README.md, so what is
//! promised there is what runs here. Where this checkout is a clean clone itself (as in CI) the commands run in it, and nothing is
//! compiled again; else in a clone of what is committed. The target folder is this checkout's: only the clone is new, not the machine.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(900);

/// What else `cargo test` sets for the tests it runs.
const TOLD: [&str; 6] = [
    "CARGO",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
];

/// Where the README's commands run: what is committed and nothing else. One for all tests of this file, because the program is
/// compiled anew for each path.
fn place() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        if is_a_clean_clone(here) { here.to_path_buf() } else { clone(here) }
    })
}

/// Nothing there that is not committed, ignored files too, but for the folder that was compiled into.
fn is_a_clean_clone(folder: &Path) -> bool {
    let seen =
        Command::new("git").args(["status", "--porcelain", "--ignored"]).current_dir(folder).output().expect("git");
    seen.status.success() && String::from_utf8_lossy(&seen.stdout).lines().all(|line| line == "!! target/")
}

fn clone(from: &Path) -> PathBuf {
    let into = Path::new(env!("CARGO_TARGET_TMPDIR")).join("newcomer");
    if into.exists() {
        std::fs::remove_dir_all(&into).expect("the last clone removed");
    }
    let status = Command::new("git").args(["clone", "--quiet"]).args([from, &into]).status().expect("git");
    assert!(status.success(), "git clone failed");
    into
}

/// The fenced blocks of README.md in this language, under this heading.
fn blocks(clone: &Path, heading: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(clone.join("README.md")).expect("README.md");
    let section = text.split("\n## ").find(|s| s.starts_with(heading)).expect("the heading");
    let fence = format!("```{language}\n");
    section.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

fn target_folder() -> PathBuf {
    // target/release/deps/newcomer-… → target
    let own = std::env::current_exe().expect("own path");
    own.ancestors().nth(3).expect("the target folder").to_path_buf()
}

fn bash(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-e", "-c", script]).current_dir(folder);
    // What cargo tells tests about the package is not there in a newcomer's shell, and build scripts take it for a change.
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_BIN_") || TOLD.contains(&name);
    for (name, _) in std::env::vars().filter(|(name, _)| told(name)) {
        command.env_remove(name);
    }
    command.env("CARGO_TARGET_DIR", target_folder());
    command.stdin(Stdio::null());
    command
}

/// Ends the process group of what was started, also when the test fails.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ended = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _reaped = self.0.wait();
    }
}

#[test]
fn the_first_command_shows_one_call_and_ends_with_ctrl_c() {
    use std::os::unix::process::CommandExt;
    let clone = place();
    let first = blocks(clone, "Two commands", "sh").remove(0);
    assert_eq!(first.trim(), "cargo run --release -- demo");
    // A group of its own, because Ctrl-C reaches the whole group.
    let mut command = bash(clone, &format!("exec {}", first.trim()));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).process_group(0).spawn().expect("bash");
    let mut demo = Started(child);
    let out = demo.0.stdout.take().expect("piped");
    let (lines, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|l| lines.send(l)));
    let until = Instant::now() + LONGEST;
    let mut all = String::new();
    while !all.contains("Ctrl-C") {
        let left = until.saturating_duration_since(Instant::now());
        let line = seen.recv_timeout(left).unwrap_or_else(|_| panic!("the demo never said how to end it:\n{all}"));
        all.push_str(&line);
        all.push('\n');
    }
    for word in ["INVITE", "200", "ACK", "BYE", "customer-heard.wav", "representative-heard.wav"] {
        assert!(all.contains(word), "no {word} in what the demo showed:\n{all}");
    }
    let group = format!("-{}", demo.0.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().expect("kill").success());
    let status = demo.0.wait().expect("the demo's end");
    assert!(status.success(), "the demo ended with {status}:\n{all}");
}

#[test]
fn the_curl_of_the_readme_gets_its_202_and_the_bill_can_be_read() {
    let clone = place();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let toml = blocks(clone, "Post a message with curl", "toml").remove(0);
    std::fs::write(folder.path().join("callbridge.toml"), toml).expect("a configuration");
    let post = blocks(clone, "Post a message with curl", "sh").remove(0);
    let bill = blocks(clone, "Read the bill", "sh").remove(0);
    // The README's own lines; around them only what a person does by hand: waiting until the daemon is up, ending it after.
    let post = post.replace("curl -u", "for _ in $(seq 100); do curl -sf http://127.0.0.1:9090/readyz && break; sleep 0.1; done; curl -sw '%{http_code}\\n' -u");
    // The configuration and the store are not the clone's.
    let post = post.replace("cargo build --release", &format!("(cd '{}' && cargo build --release)", clone.display()));
    let target = target_folder();
    let script = format!(
        "shopt -s expand_aliases\ntrap 'kill %1' EXIT\n{}\n{}",
        post.replace("target/release/callbridge", &format!("{}/release/callbridge", target.display())),
        bill
    );
    let out = bash(folder.path(), &script).output().expect("bash");
    let text = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}\n{errors}");
    assert!(text.contains("202"), "{text}\n{errors}");
    assert!(text.contains("call_id,business_id,reference,customer"), "{text}\n{errors}");
}
