//! A real baresip as a phone without a person: it answers by itself, speaks a tone from a file, and writes down what it hears.
//! Owns the process and its folder; both are gone when the guard is. Acts through baresip's `ctrl_tcp` module.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::support::log::Log;
use crate::support::ports::{self, loopback};
use crate::support::tone::{Tone, level};
use crate::support::wait::{PATIENCE, eventually};

/// 20 ms at 8 kHz.
const FRAME: usize = 160;
/// Quieter than this (of 32767) is silence.
const AUDIBLE: f64 = 150.0;
/// A frame is a tone when this share of its energy is at the tone's frequency.
const PURE: f64 = 0.9;
/// Longer than any call: baresip hangs up where its file ends.
const SPEECH_SECONDS: f64 = 90.0;

/// What one phone is.
#[derive(Clone, Debug)]
pub struct Handset {
    /// Its number.
    pub number: &'static str,
    /// Its SIP port for UDP and TCP; TLS is the next one.
    pub port: u16,
    /// What it says.
    pub tone: Tone,
    /// Further parameters of its account, such as `;regint=60`.
    pub account: String,
    /// The host part of its address: its registrar.
    pub domain: String,
    /// Further lines of its configuration.
    pub config: String,
}

impl Handset {
    /// A phone that answers at once, registered nowhere.
    pub fn new(number: &'static str, tone: Tone) -> Handset {
        let account = ";regint=0;answermode=auto;audio_codecs=pcmu".to_owned();
        let (port, config) = (ports::block(2), String::new());
        Handset { number, port, tone, account, domain: "127.0.0.1".to_owned(), config }
    }

    /// The same, but it rings until someone takes it up (`accept`).
    pub fn answered_by_hand(mut self) -> Handset {
        self.account = self.account.replace("=auto", "=manual");
        self
    }

    /// The same with another codec: `pcmu`, `pcma`, `g722` or `opus`.
    pub fn speaking(mut self, codec: &str) -> Handset {
        let codec = match codec {
            "g722" => "g722/16000/1",
            "opus" => "opus/48000/2",
            other => other,
        };
        self.account = self.account.replace("=pcmu", &format!("={codec}"));
        self
    }

    /// The same with encrypted media (SDES): `srtp` where the other can, `srtp-mand` or nothing.
    pub fn encrypted(mut self, how: &str) -> Handset {
        write!(self.account, ";mediaenc={how}").expect("a string takes all");
        self
    }

    /// The same, registered with the registrar at this port over this transport.
    pub fn registered(mut self, registrar: u16, transport: &str) -> Handset {
        self.domain = format!("127.0.0.1:{registrar};transport={transport}");
        self.account = self.account.replace(";regint=0", ";regint=60");
        self
    }
}

/// A running phone.
#[derive(Debug)]
pub struct Baresip {
    number: &'static str,
    process: Child,
    log: Log,
    folder: tempfile::TempDir,
    control: TcpStream,
}

impl Baresip {
    /// Starts it and returns when it takes commands.
    pub fn start(handset: &Handset) -> Baresip {
        let folder = tempfile::tempdir().expect("a folder for baresip");
        let control = ports::port();
        handset.tone.write_wav(&folder.path().join("speech.wav"), SPEECH_SECONDS);
        let Handset { number, account, domain, .. } = handset;
        fs::write(folder.path().join("accounts"), format!("<sip:{number}@{domain}>{account}\n")).expect("its account");
        fs::write(folder.path().join("contacts"), "").expect("no contacts");
        fs::write(folder.path().join("config"), configuration(handset, folder.path(), control)).expect("a file");
        // Else its words would stay in its buffer.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "baresip", "-s", "-v", "-f"]).arg(folder.path());
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("stdbuf (coreutils) must be there");
        let log = Log::follow(process.stdout.take().expect("a pipe"));
        let control = eventually("baresip (Debian package baresip-core) to take commands", PATIENCE, || {
            let gone = process.try_wait().ok().flatten();
            assert!(gone.is_none(), "baresip left at once ({gone:?}):\n{}", log.text());
            log.lines().iter().any(|line| line.contains("baresip is ready")).then_some(())?;
            TcpStream::connect(loopback(control)).ok()
        });
        Baresip { number, process, log, folder, control }
    }

    /// The person at the phone does something: `hangup`, `hold`, `resume`, `transfer` with an address…
    pub fn act(&mut self, command: &str, parameter: &str) {
        let text = serde_json::json!({ "command": command, "params": parameter }).to_string();
        // A netstring.
        self.control.write_all(format!("{}:{text},", text.len()).as_bytes()).expect("baresip listens");
    }

    /// How many lines of its log begin so: with `-s` it writes every message down, with `-v` what it makes of it.
    pub fn lines(&self, start: &str) -> usize {
        self.log.lines().iter().filter(|line| line.starts_with(start)).count()
    }

    /// Waits until a line of its log has this text; gives that line.
    #[track_caller]
    pub fn until(&self, text: &str) -> String {
        eventually(&format!("{text} at baresip {}", self.number), PATIENCE, || {
            self.log.lines().into_iter().find(|line| line.contains(text))
        })
    }

    /// All that it heard in all its calls, in frames of 20 ms: the tone that each is, if it is one.
    pub fn heard(&self) -> Vec<Heard> {
        let mut files: Vec<_> = fs::read_dir(self.folder.path())
            .expect("its folder")
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        files.sort();
        let mut heard = Vec::new();
        for file in files {
            let samples = line_samples(&fs::read(file).unwrap_or_default());
            heard.extend(samples.chunks_exact(FRAME).map(judge));
        }
        heard
    }

    /// Waits until it has heard another half second of this.
    #[track_caller]
    pub fn until_hears(&self, tone: Tone) {
        let so_far = || self.heard().iter().filter(|heard| **heard == Heard::Tone(tone)).count();
        let before = so_far();
        eventually(&format!("25 more frames of {tone:?} at baresip {}", self.number), PATIENCE, || {
            (so_far() >= before + 25).then_some(())
        });
    }
}

/// A recording as 8 kHz mono, whatever its codec made of it. The length in its header is true only when the call is over, so it is
/// not read.
fn line_samples(octets: &[u8]) -> Vec<i16> {
    let (Some(head), Some(sound)) = (octets.get(..44), octets.get(44..)) else { return Vec::new() };
    let channels = usize::from(u16::from_le_bytes([head[22], head[23]]));
    let rate = u32::from_le_bytes([head[24], head[25], head[26], head[27]]) as usize;
    let samples: Vec<i32> = sound.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]]).into()).collect();
    let together = channels * rate / 8000;
    samples.chunks_exact(together).map(|all| (all.iter().sum::<i32>() / together as i32) as i16).collect()
}

/// What 20 ms sound like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Nothing.
    Silence,
    /// Purely this.
    Tone(Tone),
    /// A seam, or speech.
    Other,
}

fn judge(samples: &[i16]) -> Heard {
    if level(samples) < AUDIBLE {
        return Heard::Silence;
    }
    Tone::ALL.into_iter().find(|tone| tone.share(samples) >= PURE).map_or(Heard::Other, Heard::Tone)
}

fn configuration(handset: &Handset, folder: &std::path::Path, control: u16) -> String {
    let (folder, port, rtp) = (folder.display(), handset.port, ports::block(20));
    let mut text = format!(
        "poll_method epoll\nsip_listen 127.0.0.1:{port}\nnet_interface 127.0.0.1\nrtp_ports {rtp}-{}\n\
         call_max_calls 4\naudio_player aubridge,ear\naudio_alert aubridge,bell\naudio_source aufile,{folder}/speech.wav\n\
         ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\nsnd_path {folder}\n\
         ctrl_tcp_listen 127.0.0.1:{control}\nmodule_path /usr/lib/baresip/modules\n",
        rtp + 19
    );
    for module in ["g711", "g722", "opus", "aufile", "aubridge", "sndfile", "srtp"] {
        writeln!(text, "module {module}.so").expect("a string takes all");
    }
    text.push_str("module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n");
    text.push_str(&handset.config);
    text
}

impl Drop for Baresip {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.process.kill().ok();
            self.process.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("---- baresip {}\n{}", self.number, self.log.text());
        }
    }
}
