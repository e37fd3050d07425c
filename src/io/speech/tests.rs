//! The speech runner with the real programs (flite and espeak-ng must be installed) and with bad ones.

use super::*;
use crate::audio::level::measure;

const MESSAGE: &str = "Please hold while we connect you to a Blue Harbor company customer representative.";

fn command(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn speaker(words: &[&str], folder: &Path) -> Speaker {
    Speaker::new(command(words), Duration::from_secs(20), folder)
}

fn flite(folder: &Path) -> Speaker {
    speaker(&["flite", "-voice", "slt", "-t", "{text}", "-o", "{output}"], folder)
}

fn espeak(folder: &Path) -> Speaker {
    speaker(&["espeak-ng", "-w", "{output}", "{text}"], folder)
}

/// A program that writes its last argument's text nowhere but does what the script says.
fn script(body: &str, folder: &Path) -> Speaker {
    speaker(&["/bin/sh", "-c", body, "speech", "{text}", "{output}"], folder)
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join("prompts")) else { return Vec::new() };
    entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn both_programs_speak_the_message_intelligibly_and_alike() {
    let folder = tempfile::tempdir().unwrap();
    let by_flite = flite(folder.path()).speak(MESSAGE).expect("the Debian package flite is needed");
    let by_espeak = espeak(folder.path()).speak(MESSAGE).expect("the Debian package espeak-ng is needed");
    for spoken in [&by_flite, &by_espeak] {
        let loudness = measure(spoken);
        assert!(loudness.is_like_speech(), "{loudness:?}");
        assert!((-24.0..=-19.5).contains(&loudness.active_dbfs) && loudness.peak_dbfs <= -2.9, "{loudness:?}");
        assert!((3.0..8.0).contains(&(spoken.len() as f64 / 8000.0)), "{} samples", spoken.len());
    }
    let ratio = by_flite.len() as f64 / by_espeak.len() as f64;
    assert!((0.6..1.6).contains(&ratio), "the same words take about the same time: {ratio}");
}

#[test]
fn a_longer_text_takes_longer() {
    let folder = tempfile::tempdir().unwrap();
    let flite = flite(folder.path());
    let (short, long) = (flite.speak("Goodbye.").unwrap(), flite.speak(MESSAGE).unwrap());
    assert!(long.len() > 3 * short.len());
}

#[test]
fn a_text_is_rendered_once_and_then_read_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = flite(folder.path());
    let spoken = first.speak("Blue Harbor").unwrap();
    assert_eq!(first.speak("  Blue\tHarbor\n").unwrap(), spoken);
    assert_eq!(first.runs(), 1);
    let after_restart = flite(folder.path());
    assert_eq!(after_restart.speak("Blue Harbor").unwrap(), spoken);
    assert_eq!(after_restart.runs(), 0);
    assert_eq!(files(folder.path()).len(), 1, "{:?}", files(folder.path()));
}

#[test]
fn another_program_or_text_is_another_recording() {
    let folder = tempfile::tempdir().unwrap();
    flite(folder.path()).speak("Blue Harbor").unwrap();
    flite(folder.path()).speak("Green Harbor").unwrap();
    espeak(folder.path()).speak("Blue Harbor").unwrap();
    assert_eq!(files(folder.path()).len(), 3);
}

#[test]
fn a_corrupt_file_in_the_folder_is_rendered_again() {
    let folder = tempfile::tempdir().unwrap();
    let spoken = flite(folder.path()).speak("Blue Harbor").unwrap();
    let path = folder.path().join("prompts").join(files(folder.path()).pop().unwrap());
    let whole = fs::read(&path).unwrap();
    for bad in [&whole[..whole.len() / 2], b"", b"RIFF nonsense"] {
        fs::write(&path, bad).unwrap();
        let again = flite(folder.path());
        assert_eq!(again.speak("Blue Harbor").unwrap(), spoken);
        assert_eq!(again.runs(), 1);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn many_who_want_one_text_at_once_cause_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let flite = flite(folder.path());
    thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| flite.speak(MESSAGE).unwrap())).collect();
        let heard: Vec<_> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert!(heard.windows(2).all(|two| two[0] == two[1]));
    });
    assert_eq!(flite.runs(), 1);
}

#[test]
fn a_name_from_outside_is_words_and_never_an_option_or_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let trap = folder.path().join("trap");
    let names = [
        "-w /etc/passwd",
        "--help",
        "$(touch trap); `touch trap`",
        "a'; touch trap; '",
        "Blue\0Harbor\u{1b}[2J",
        "{output}",
    ];
    for name in names {
        for speaker in [flite(folder.path()), espeak(folder.path())] {
            let spoken =
                speaker.speak(name).unwrap_or_else(|error| panic!("{name:?} by {}: {error}", speaker.program()));
            assert!(!spoken.is_empty());
        }
    }
    assert!(!trap.exists() && !Path::new("trap").exists());
    assert_eq!(clean("--version -x").unwrap(), "version -x");
    assert!(matches!(clean("\u{7}\n --- "), Err(SpeechError::Wordless)));
    assert!(matches!(clean(&"word ".repeat(300)), Err(SpeechError::TooLong)));
}

#[test]
fn the_text_is_one_argument_and_never_searched_for_placeholders() {
    assert_eq!(fill("{text}", "a b {output}", Path::new("/x")), "a b {output}");
    assert_eq!(fill("--say={text}:{output}", "hi", Path::new("/x")), "--say=hi:/x");
    assert_eq!(fill("{{other}", "hi", Path::new("/x")), "{{other}");
}

#[test]
fn a_program_that_hangs_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let mut hanging = script("sleep 600 & echo $! > \"$2.child\"; wait", folder.path());
    hanging.timeout = Duration::from_millis(300);
    let began = Instant::now();
    assert!(matches!(hanging.speak("hello"), Err(SpeechError::Late(_))));
    assert!(began.elapsed() < Duration::from_secs(5));
    let note =
        files(folder.path()).into_iter().find(|name| name.ends_with(".child")).expect("the child wrote its number");
    let number = fs::read_to_string(folder.path().join("prompts").join(note)).unwrap();
    let status = Path::new("/proc").join(number.trim()).join("status");
    let deadline = Instant::now() + Duration::from_secs(5);
    let gone = || fs::read_to_string(&status).map_or(true, |text| text.contains("State:\tZ"));
    while !gone() && Instant::now() < deadline {
        thread::yield_now();
    }
    assert!(gone(), "the child of the hanging program lives on");
}

#[test]
fn a_program_that_writes_without_end_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut endless = script("exec cat /dev/zero > \"$2\"", folder.path());
    endless.timeout = Duration::from_secs(60);
    assert!(matches!(endless.speak("hello"), Err(SpeechError::TooLarge)));
    assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
}

#[test]
fn failures_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(script("exit 3", folder.path()).speak("hello"), Err(SpeechError::Failed(_))));
    assert!(matches!(script("exit 0", folder.path()).speak("hello"), Err(SpeechError::NoRecording(_))));
    assert!(matches!(script("echo no > \"$2\"", folder.path()).speak("hello"), Err(SpeechError::Wav(_))));
    let missing = speaker(&["/nowhere/speech", "{text}"], folder.path()).speak("hello");
    assert!(matches!(missing, Err(SpeechError::Start { .. })));
    let stopping = script("sleep 600", folder.path());
    stopping.stop();
    assert!(matches!(stopping.speak("hello"), Err(SpeechError::Stopped)));
    assert!(files(folder.path()).is_empty());
}

#[test]
fn an_installed_program_is_found_when_none_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let unset = SpeechConfig { command: None, timeout_seconds: 10 };
    assert_eq!(Speaker::find(&unset, folder.path()).unwrap().program(), "flite");
    let chosen =
        SpeechConfig { command: Some(command(&["espeak-ng", "-w", "{output}", "{text}"])), timeout_seconds: 10 };
    assert_eq!(Speaker::find(&chosen, folder.path()).unwrap().program(), "espeak-ng");
    let unwanted = SpeechConfig { command: Some(Vec::new()), timeout_seconds: 10 };
    assert!(Speaker::find(&unwanted, folder.path()).is_none());
}
