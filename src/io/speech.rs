//! Speech: runs the configured program, caches what it said.
//!
//! Owns the child process (one argument vector, never a shell; killed with its children when late or too talkative) and the
//! folder of rendered texts. The text may come from outside: it is cleaned and bounded here. Refuses to choose what is said.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io, thread};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::audio::codec::Rate;
use crate::audio::render;
use crate::audio::wav::{self, WavError};
use crate::config::SpeechConfig;

/// The longest text that is spoken, in characters.
pub const MAX_TEXT: usize = 1200;
/// Rendered texts kept on disk; beyond it the ones unused for longest go.
const MAX_CACHED: usize = 2_000;
/// The largest file a speech program may write.
const MAX_OUTPUT: u64 = wav::MAX_BYTES as u64;
/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Left-overs of a crash are removed when older than this.
const STALE: Duration = Duration::from_secs(3600);

/// Why a text was not spoken.
#[derive(Debug, thiserror::Error)]
pub enum SpeechError {
    /// Nothing that can be said is left of the text.
    #[error("the text has no words")]
    Wordless,
    /// Longer than [`MAX_TEXT`].
    #[error("a spoken text has at most {MAX_TEXT} characters")]
    TooLong,
    /// The program could not be started.
    #[error("cannot start {program}: {error}")]
    Start {
        /// The first word of the command.
        program: String,
        /// What the system said.
        error: io::Error,
    },
    /// It was killed: not done in time.
    #[error("the speech program was not done in {0:?} and was killed")]
    Late(Duration),
    /// It was killed: it wrote too much.
    #[error("the speech program wrote more than {MAX_OUTPUT} bytes and was killed")]
    TooLarge,
    /// No program that is installed or configured speaks this language.
    #[error("no program speaks {0}: install espeak-ng, or give [speech] command with {{voice}}")]
    NoVoice(String),
    /// We are stopping.
    #[error("stopped")]
    Stopped,
    /// It ended badly.
    #[error("the speech program ended with {0}")]
    Failed(ExitStatus),
    /// It ended well but left no usable WAV.
    #[error("the speech program left no recording: {0}")]
    NoRecording(String),
    /// What it left is no usable WAV.
    #[error("the speech program's recording cannot be used: {0}")]
    Wav(#[from] WavError),
    /// The cache folder cannot be used.
    #[error("the folder of rendered prompts cannot be used: {0}")]
    Folder(#[from] io::Error),
}

/// What was kept in another form is not found again, and forgotten in time.
const FORM: &str = "16 kHz";
/// The placeholder of a voice's name in a command.
const VOICE: &str = "{voice}";
/// What speaks languages other than English where no command is configured that can be told which.
const FOREIGN: [&str; 6] = ["espeak-ng", "-v", VOICE, "-w", "{output}", "{text}"];

/// In which voice something is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Voice<'a> {
    /// As the program knows it: letters, digits and `-_+`.
    pub name: &'a str,
    /// It is the configured language, which a configured program speaks by itself.
    pub usual: bool,
    /// It is English, which a program that was found speaks by itself.
    pub english: bool,
}

/// A text that was spoken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// 8 kHz, at the common loudness.
    pub samples: Vec<i16>,
    /// The same at 16 kHz, where the program has so much; it may be forgotten some day.
    pub file: PathBuf,
}

/// A speech program and the folder that remembers what it said.
#[derive(Debug)]
pub struct Speaker {
    command: Vec<String>,
    /// It was not configured but found: it speaks English.
    found: bool,
    /// Speaks every other language, where the first one cannot be told which.
    foreign: Option<Vec<String>>,
    timeout: Duration,
    folder: PathBuf,
    /// Texts being rendered at this moment: a second request waits and then finds the file.
    rendering: Mutex<BTreeSet<String>>,
    rendered: Condvar,
    stopped: AtomicBool,
    serial: AtomicU64,
    runs: AtomicU64,
}

impl Speaker {
    /// The configured program (none, where an empty command is configured), else flite, else espeak-ng, if one is installed. Rendered texts go to `prompts` in `store_folder`.
    pub fn find(config: &SpeechConfig, store_folder: &Path) -> Option<Speaker> {
        let command = config.command.clone().or_else(installed_program).filter(|command| !command.is_empty())?;
        let timeout = Duration::from_secs(u64::from(config.timeout_seconds.max(1)));
        let foreign = is_installed(FOREIGN[0]).then(|| FOREIGN.map(str::to_owned).to_vec());
        let found = config.command.is_none();
        Some(Speaker { found, foreign, ..Speaker::new(command, timeout, store_folder) })
    }

    /// A speaker by its command; `{text}` and `{output}` are replaced in every argument.
    pub fn new(command: Vec<String>, timeout: Duration, store_folder: &Path) -> Speaker {
        let folder = store_folder.join("prompts");
        remove_leftovers(&folder);
        Speaker {
            command,
            found: false,
            foreign: None,
            timeout,
            folder,
            rendering: Mutex::new(BTreeSet::new()),
            rendered: Condvar::new(),
            stopped: AtomicBool::new(false),
            serial: AtomicU64::new(0),
            runs: AtomicU64::new(0),
        }
    }

    /// The program's name, for the log.
    pub fn program(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    /// How often the program was really run.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Ends a running program within a few milliseconds; every later request fails.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// [`Speaker::speak_as`] the program does it of its own accord.
    pub fn speak(&self, text: &str) -> Result<Vec<i16>, SpeechError> {
        self.speak_as(text, Voice { name: "en", usual: true, english: true }).map(|said| said.samples)
    }

    /// The text at the common loudness. Blocks while the program runs (a fraction of a second).
    pub fn speak_as(&self, text: &str, voice: Voice<'_>) -> Result<Said, SpeechError> {
        let command = self.command_for(voice).ok_or_else(|| SpeechError::NoVoice(voice.name.to_owned()))?;
        let text = clean(text)?;
        let key = key(&command, &text);
        let _turn = self.take_turn(&key);
        let file = self.folder.join(format!("{key}.wav"));
        if let Some(samples) = read_cached(&file) {
            return Ok(Said { samples, file });
        }
        fs::create_dir_all(&self.folder)?;
        let recording = self.run(&command, &text, &key)?;
        let samples = wav::read(&recording)?;
        write_atomically(&file, &recording)?;
        self.forget_oldest();
        Ok(Said { samples, file })
    }

    /// The command that speaks so, with its `{voice}` filled in.
    fn command_for(&self, voice: Voice<'_>) -> Option<Vec<String>> {
        let told = self.command.iter().any(|word| word.contains(VOICE));
        let own = told || if self.found { voice.english } else { voice.usual };
        let command = if own { &self.command } else { self.foreign.as_ref()? };
        Some(command.iter().map(|word| word.replace(VOICE, voice.name)).collect())
    }

    fn take_turn(&self, key: &str) -> Turn<'_> {
        let mut rendering = self.lock();
        while rendering.contains(key) {
            rendering = self.rendered.wait(rendering).unwrap_or_else(PoisonError::into_inner);
        }
        rendering.insert(key.to_owned());
        Turn { speaker: self, key: key.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.rendering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A WAV file of what the program says, made ready.
    fn run(&self, command: &[String], text: &str, key: &str) -> Result<Vec<u8>, SpeechError> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let output = Leftover(self.folder.join(format!(".{key}.{}.{serial}.wav", std::process::id())));
        self.runs.fetch_add(1, Ordering::Relaxed);
        let mut child = self.spawn(command, text, &output.0)?;
        let ended = self.watch(&mut child, &output.0);
        if ended.is_err() {
            kill_with_children(&mut child);
        }
        let status = ended?;
        if !status.success() {
            return Err(SpeechError::Failed(status));
        }
        let recording = fs::read(&output.0).map_err(|error| SpeechError::NoRecording(error.to_string()))?;
        let rate = if wav::is_wide(&recording) { Rate::Hz16000 } else { Rate::Hz8000 };
        let samples = render::ready(&wav::read_at(&recording, rate)?, rate);
        if samples.is_empty() {
            return Err(SpeechError::NoRecording("it is silent".to_owned()));
        }
        Ok(wav::write_mono_at(&samples, rate))
    }

    fn spawn(&self, command: &[String], text: &str, output: &Path) -> Result<Child, SpeechError> {
        let mut words = command.iter().map(|word| fill(word, text, output));
        let program = words.next().unwrap_or_default();
        let kept = ["PATH", "HOME", "TMPDIR"].map(|name| (name, std::env::var_os(name)));
        Command::new(&program)
            .args(words)
            .env_clear()
            .env("LANG", "C.UTF-8")
            .envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| SpeechError::Start { program: program.to_string_lossy().into_owned(), error })
    }

    /// Waits for the end, the time limit, too much output, or our own stop.
    fn watch(&self, child: &mut Child, output: &Path) -> Result<ExitStatus, SpeechError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let written = fs::metadata(output).map_or(0, |meta| meta.len());
            if written > MAX_OUTPUT {
                return Err(SpeechError::TooLarge);
            }
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if self.stopped.load(Ordering::Relaxed) {
                return Err(SpeechError::Stopped);
            }
            if Instant::now() >= deadline {
                return Err(SpeechError::Late(self.timeout));
            }
            thread::sleep(LOOK);
        }
    }

    /// Keeps the folder within [`MAX_CACHED`] files.
    fn forget_oldest(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, PathBuf)> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|e| e == "wav"))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        if files.len() <= MAX_CACHED {
            return;
        }
        files.sort();
        for (_, path) in files.iter().take(files.len() - MAX_CACHED) {
            let _ = fs::remove_file(path);
        }
    }
}

/// The right to render one text; given back on every way out.
struct Turn<'a> {
    speaker: &'a Speaker,
    key: String,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.speaker.lock().remove(&self.key);
        self.speaker.rendered.notify_all();
    }
}

/// A temporary file; gone on every way out.
struct Leftover(PathBuf);

impl Drop for Leftover {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// One line of words: no control characters, no beginning that a program could take for an option or a file of text.
fn clean(text: &str) -> Result<String, SpeechError> {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_start_matches(['-', '+', '@', '/', ' ']);
    if !line.chars().any(char::is_alphanumeric) {
        return Err(SpeechError::Wordless);
    }
    if line.chars().count() > MAX_TEXT {
        return Err(SpeechError::TooLong);
    }
    Ok(line.to_owned())
}

/// One argument with its placeholders replaced, the text never scanned for placeholders itself.
fn fill(word: &str, text: &str, output: &Path) -> OsString {
    let mut filled = OsString::new();
    let mut rest = word;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push(before);
        if let Some(after) = from.strip_prefix("{text}") {
            filled.push(text);
            rest = after;
        } else if let Some(after) = from.strip_prefix("{output}") {
            filled.push(output);
            rest = after;
        } else {
            filled.push("{");
            rest = &from[1..];
        }
    }
    filled.push(rest);
    filled
}

/// SHA-256 of command, text and the form in which it is kept, in hexadecimal.
fn key(command: &[String], text: &str) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in command.iter().map(String::as_str).chain([text, FORM]) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// flite, else espeak-ng, by the search path.
fn installed_program() -> Option<Vec<String>> {
    let known: [&[&str]; 2] =
        [&["flite", "-voice", "slt", "-t", "{text}", "-o", "{output}"], &["espeak-ng", "-w", "{output}", "{text}"]];
    let found = known.into_iter().find(|command| command.first().is_some_and(|program| is_installed(program)))?;
    Some(found.iter().map(ToString::to_string).collect())
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        fs::metadata(folder.join(program)).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

fn kill_with_children(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// A rendered text, if it is there and whole; using it makes it young.
fn read_cached(path: &Path) -> Option<Vec<i16>> {
    let bytes = fs::read(path).ok()?;
    let samples = wav::read(&bytes).ok()?;
    let touched = fs::File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = touched {
        tracing::debug!(%error, "a cached prompt's age could not be set");
    }
    Some(samples)
}

/// Writes a file so that a reader sees all of it or none, even after a power cut.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = Leftover(folder.join(format!(".{name}.{}.{:?}.tmp", std::process::id(), thread::current().id())));
    let mut file = fs::File::create(&temporary.0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary.0, path)?;
    fs::File::open(folder)?.sync_all()
}

fn remove_leftovers(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        if hidden && age.is_some_and(|age| age > STALE) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
