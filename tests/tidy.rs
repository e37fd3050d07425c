//! The house rules, checked over the text of every file: who imports whom, sizes, headers, what pure rooms may not touch,
//! what may not panic, and that each promise of the specification has its test. Owns the rules and their few exceptions.

#[path = "tidy/source.rs"]
mod source;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use source::{Source, files};

/// Room → what it may import (docs/ARCHITECTURE.md). A room that is not here may import nothing. `a::b` allows only that part.
const IMPORTS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("model", &["clock"]),
    ("sip", &["model", "clock"]),
    ("sdp", &["model", "clock"]),
    ("rtp", &["model", "clock"]),
    ("audio", &["model", "clock"]),
    ("media", &["rtp", "audio", "sdp", "model", "clock"]),
    ("access", &["model", "clock"]),
    ("schedule", &["model", "clock"]),
    ("acd", &["model", "clock"]),
    ("routing", &["model", "clock"]),
    ("billing", &["model", "clock"]),
    ("call", &["model", "clock"]),
    ("ladder", &["model", "clock"]),
    (
        "engine",
        &[
            "sip", "sdp", "rtp", "audio", "media", "access", "schedule", "acd", "routing", "billing", "call", "ladder",
            "model", "clock",
        ],
    ),
    ("config", &["model", "clock"]),
    // The prompt library renders and keeps audio; what the engine says of messages is in the words of `sip::api`; what strangers show
    // is judged before the engine is asked.
    (
        "io",
        &[
            "engine",
            "media",
            "config",
            "model",
            "clock",
            "sip::wire",
            "sip::api",
            "audio",
            "ladder",
            "routing::Failure",
            "access::desk",
            "access::direct",
            "access::follow",
            "access::guessing",
            "access::grant",
            "access::page_token",
            "access::session",
            "access::work",
            "billing::invoice",
        ],
    ),
    // Besides, the types of the settings that it hands to the engine, and the face of the prompt library.
    (
        "daemon",
        &[
            "io",
            "config",
            "engine",
            "model",
            "clock",
            "media::api",
            "routing::Switch",
            "sip::api",
            "call::CallLimits",
            "billing::plans",
        ],
    ),
    ("phone", &["audio", "model", "clock"]),
    ("bench", &["phone", "io", "config", "audio", "model", "clock"]),
    ("demo", &["io", "config", "storefront", "daemon", "phone", "bench", "audio", "model", "clock"]),
    // Of io only what serves HTTP, keeps passwords and reads the clock: never the engine's side of it.
    (
        "storefront",
        &[
            "model",
            "acd",
            "clock",
            "config",
            "access::guessing",
            "io::clock",
            "io::http::server",
            "io::http::source",
            "io::logs",
            "io::passwords",
            "io::tls",
        ],
    ),
    (
        "cli",
        &[
            "io",
            "config",
            "daemon",
            "demo",
            "storefront",
            "bench",
            "phone",
            "billing",
            "engine",
            "media",
            "audio",
            "model",
            "clock",
            "access::page_token",
        ],
    ),
    ("main", &[]),
    ("lib", &["engine"]),
];

/// Rooms that replay exactly from one seed.
const PURE: &[&str] = &[
    "clock", "model", "sip", "sdp", "rtp", "audio", "media", "access", "schedule", "acd", "routing", "billing", "call",
    "engine", "ladder", "phone",
];

/// What they may not say, in code.
const IMPURE_WORDS: &[&str] = &[
    "tokio",
    "std::thread",
    "thread::spawn",
    "Instant::now",
    "SystemTime",
    "now_utc",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "std::fs",
    "fs::",
    "Mutex",
    "RwLock",
    "Condvar",
    "async fn",
    "async move",
    ".await",
    "rand::rng(",
    "thread_rng",
    "rand::random",
    "from_os_rng",
    "OsRng",
    "std::env",
    "std::process",
];

/// The files that may hold `unsafe`: two system calls and one setting of the allocator that no safe crate offers.
const UNSAFE_FILES: &[&str] = &["src/io/allocator.rs", "src/io/batch.rs", "src/io/media_thread/bpf.rs"];

/// Shipped code that may panic: file, the text, why no outside influence can reach it.
const MAY_PANIC: &[(&str, &str, &str)] = &[];

const MAX_FILE_LINES: usize = 600;
const MAX_FUNCTION_LINES: usize = 100;

/// Fails with all of them at once.
fn none(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n{}\n", broken.join("\n"));
}

fn sources() -> impl Iterator<Item = &'static Source> {
    everything().iter().filter(|source| source.path.starts_with("src/"))
}

/// Read and blanked once for all rules: that is what takes time.
fn everything() -> &'static [Source] {
    static ALL: LazyLock<Vec<Source>> = LazyLock::new(|| files(&["src", "tests", "benches", "fuzz/fuzz_targets"]));
    &ALL
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let mut broken = Vec::new();
    for source in sources() {
        let Some(room) = source.room() else { continue };
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == room) else {
            broken.push(format!("{}: the room {room} is not in the table", source.path));
            continue;
        };
        for (line, path) in source.crate_paths() {
            let own = path.split("::").next() == Some(room);
            let fits = |allowed: &&str| path == **allowed || path.starts_with(&format!("{allowed}::"));
            if !own && !allowed.iter().any(fits) {
                broken.push(format!("{}:{line}: {room} may not import {path}", source.path));
            }
        }
    }
    none(&broken, "imports against the table of docs/ARCHITECTURE.md");
}

#[test]
fn files_and_functions_fit_their_bounds() {
    let mut broken = Vec::new();
    for source in everything() {
        let lines = source.text.lines().count();
        if lines > MAX_FILE_LINES {
            broken.push(format!("{}: {lines} lines, at most {MAX_FILE_LINES}", source.path));
        }
        for function in source.functions().iter().filter(|function| function.lines > MAX_FUNCTION_LINES) {
            let (path, line, name) = (&source.path, function.line, &function.name);
            broken.push(format!("{path}:{line}: {name} has {} lines, at most {MAX_FUNCTION_LINES}", function.lines));
        }
    }
    none(&broken, "too long");
}

#[test]
fn every_file_says_what_it_owns() {
    let headless = |source: &&Source| !source.text.starts_with("//!");
    let broken: Vec<String> = everything().iter().filter(headless).map(|source| source.path.clone()).collect();
    none(&broken, "files without a //! header");
}

#[test]
fn nothing_is_left_for_later() {
    let comments = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK")];
    let code = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];
    let mut broken = Vec::new();
    for source in everything() {
        for (number, line) in source.text.lines().enumerate() {
            for word in comments.iter().chain(&code).filter(|word| line.contains(**word)) {
                broken.push(format!("{}:{}: {word}", source.path, number + 1));
            }
        }
    }
    none(&broken, "left for later");
}

#[test]
fn no_merge_was_left_half_done() {
    let listed =
        Command::new("git").args(["ls-files", "-z"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("git");
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut broken = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_default();
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if line.starts_with(b"<<<<<<< ") || line.starts_with(b">>>>>>> ") {
                broken.push(format!("{name}:{}", number + 1));
            }
        }
    }
    assert!(names.len() > 1000, "git lists this checkout's files");
    none(&broken, "the marks of a merge");
}

#[test]
fn no_other_file_is_unsafe() {
    let mut broken = Vec::new();
    for source in everything().iter().filter(|source| !UNSAFE_FILES.contains(&source.path.as_str())) {
        for (number, line) in source.code.lines().enumerate() {
            if line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe") {
                broken.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    none(&broken, "unsafe code");
}

#[test]
fn pure_rooms_touch_nothing_outside() {
    let mut broken = Vec::new();
    for source in sources() {
        if !source.room().is_some_and(|room| PURE.contains(&room)) {
            continue;
        }
        for (number, line) in source.shipped.lines().enumerate() {
            for word in IMPURE_WORDS.iter().filter(|word| says(line, word)) {
                broken.push(format!("{}:{}: {word}", source.path, number + 1));
            }
        }
    }
    none(&broken, "a pure room touches the world");
}

/// Whether `line` has `word` with no letter before it.
fn says(line: &str, word: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| word.starts_with('.') || !line[..at].chars().next_back().is_some_and(letter))
}

#[test]
fn nothing_shipped_panics_on_purpose() {
    let words = [".unwrap()", ".expect(", "panic!(", "unreachable!(", ".unwrap_err()", ".expect_err("];
    let mut broken = Vec::new();
    for source in sources() {
        for (number, line) in source.shipped.lines().enumerate() {
            for word in words.iter().filter(|word| says(line, word)) {
                let excused = MAY_PANIC.iter().any(|(path, text, why)| {
                    assert!(why.len() > 10, "an exception needs its reason");
                    *path == source.path && source.text.lines().nth(number).is_some_and(|raw| raw.contains(text))
                });
                if !excused {
                    broken.push(format!("{}:{}: {word}", source.path, number + 1));
                }
            }
        }
    }
    none(&broken, "shipped code that panics");
}

#[test]
fn every_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/SPECIFICATION.md")).expect("docs/SPECIFICATION.md");
    let (mut promises, mut broken) = (0, Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let rule = cells.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':')));
        let head = cells.first().is_some_and(|cell| cell.eq_ignore_ascii_case("promise"));
        if rule || head {
            continue;
        }
        promises += 1;
        let tests = marks(cells.last().unwrap_or(&""));
        if tests.is_empty() {
            broken.push(format!("docs/SPECIFICATION.md:{}: no `path.rs::test`", number + 1));
        }
        for (path, name) in tests {
            if !has_test(&path, &name) {
                broken.push(format!("docs/SPECIFICATION.md:{}: there is no {path}::{name}", number + 1));
            }
        }
    }
    assert!(promises > 0, "docs/SPECIFICATION.md has no table `| promise | test |`");
    none(&broken, "promises without a test");
}

/// Whether the file, or one of the modules of the test that it is the root of, has this function: `tests/sipp.rs` has
/// `tests/sipp/`, `tests/sim/main.rs` has `tests/sim/`.
fn has_test(path: &str, name: &str) -> bool {
    let wanted = format!("fn {name}(");
    let folder = path.strip_suffix("/main.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path);
    let modules = if path.starts_with("tests/") { format!("{folder}/") } else { path.to_owned() };
    everything()
        .iter()
        .any(|file| (file.path == path || file.path.starts_with(&modules)) && file.text.contains(&wanted))
}

/// The marks of a cell: `path.rs::test` in back quotes.
fn marks(cell: &str) -> Vec<(String, String)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter_map(|mark| mark.rsplit_once("::")).map(|(path, name)| (path.to_owned(), name.to_owned())).collect()
}

#[test]
fn the_scan_itself_sees_through_comments_and_literals() {
    let mut text = String::from("//! unsafe\nuse crate::{model::{A, B}, clock};\n/* crate::io */ fn a<'x>() {\n");
    let _written = write!(text, "    let s = \"crate::sip }}\"; let c = '\\''; let r = r#\"{{ \" {{\"#;\n}}\n");
    text.push_str("#[cfg(test)]\nmod tests {\n    fn b() { x.unwrap() }\n}\nfn c() { crate::io::d() }\n");
    let source = Source::new("src/media/x.rs".to_owned(), text);
    let paths: Vec<String> = source.crate_paths().into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["model::", "clock", "io::d"]);
    let functions: Vec<(String, usize)> = source.functions().into_iter().map(|f| (f.name, f.lines)).collect();
    assert_eq!(functions, [("a".to_owned(), 3), ("b".to_owned(), 1), ("c".to_owned(), 1)]);
    assert!(!source.shipped.contains("unwrap") && source.code.contains("unwrap"));
    assert_eq!(source.room(), Some("media"));
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let dashboard = fs::read_to_string("docs/grafana/callbridge.json").expect("the dashboard");
    let parsed: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    let asked = parsed["panels"].as_array().into_iter().flatten().flat_map(|panel| panel["targets"].as_array());
    let asked: Vec<&str> = asked.flatten().filter_map(|target| target["expr"].as_str()).collect();
    assert!(asked.len() > 20, "{} queries", asked.len());
    let text: String = sources().map(|source| source.text.as_str()).collect();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for query in asked {
        for name in query.split(|c| !word(c)).filter(|name| name.starts_with("callbridge_")) {
            let name = name.trim_end_matches("_bucket");
            assert!(text.contains(&format!("\"{name}\"")), "{name} is in the dashboard and nowhere in src");
        }
    }
}
