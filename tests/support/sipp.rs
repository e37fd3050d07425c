//! A phone played by a real `sipp` process with one of our scenarios. Owns the process: it ends with the guard, also when the
//! test panics.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::g711::Law;
use super::ports;
use super::rtp::Endpoint;
use super::tone::Tone;
use super::trace::{self, Message};
use super::wait::{PATIENCE, eventually};

/// What a phone is to do.
#[derive(Clone, Debug)]
pub struct PhoneSetup {
    /// Name of a file in sip-scenarios, without `.xml`.
    pub scenario: &'static str,
    /// Its SIP port.
    pub port: u16,
    /// `udp` or `tcp`: this sipp has no TLS.
    pub transport: &'static str,
    /// The port in its Contact: its own, or that of the road to it.
    pub contact_port: u16,
    /// What it says.
    pub tone: Tone,
    /// What it says before that, once, 8 kHz.
    pub first: Vec<i16>,
    /// In which codec.
    pub law: Law,
    /// How many calls it takes before it leaves.
    pub calls: u32,
    /// Whom it calls by itself; a phone that waits for our INVITE calls nobody.
    pub calls_at: Option<SocketAddr>,
    /// `-key` pairs that the scenario names.
    pub keys: Vec<(&'static str, &'static str)>,
}

impl PhoneSetup {
    /// A phone at this port that takes one call over UDP.
    pub fn new(scenario: &'static str, port: u16, tone: Tone) -> PhoneSetup {
        PhoneSetup {
            scenario,
            port,
            transport: "udp",
            contact_port: port,
            tone,
            first: Vec::new(),
            law: Law::Mu,
            calls: 1,
            calls_at: None,
            keys: Vec::new(),
        }
    }
}

/// A running phone.
#[derive(Debug)]
pub struct Phone {
    scenario: &'static str,
    process: Child,
    folder: tempfile::TempDir,
    trace: PathBuf,
    hook_port: u16,
    hook: Option<TcpStream>,
    /// Its RTP.
    pub media: Endpoint,
}

impl Phone {
    /// Starts `sipp` and returns when its SIP port is bound.
    pub fn start(setup: &PhoneSetup) -> Phone {
        let folder = tempfile::tempdir().expect("a folder for sipp");
        let trace = folder.path().join("messages.log");
        let media = Endpoint::open(setup.tone, setup.law, &setup.first, &trace);
        let scenario = scenario_file(setup.scenario);
        let text = fs::read_to_string(&scenario).unwrap_or_else(|e| panic!("{}: {e}", scenario.display()));
        let hook_port = ports::port();
        let output = fs::File::create(folder.path().join("output.log")).expect("a file for sipp's output");
        let errors = output.try_clone().expect("the same file for errors");
        let mut command = Command::new("sipp");
        command.current_dir(folder.path()).arg("-sf").arg(&scenario);
        command.args(["-i", "127.0.0.1", "-bind_local", "-nostdin", "-skip_rlimit", "-trace_msg", "-trace_err"]);
        command.arg("-message_file").arg(&trace).arg("-error_file").arg(folder.path().join("errors.log"));
        let numbers = [("-p", setup.port), ("-cp", ports::port()), ("-mp", ports::block(4))];
        for (option, number) in numbers {
            command.args([option, &number.to_string()]);
        }
        command.args(["-t", if setup.transport == "tcp" { "t1" } else { "u1" }]);
        command.args(["-m", &setup.calls.to_string(), "-timeout", "60", "-timeout_error"]);
        let rtp = media.port().to_string();
        let payload = setup.law.payload_type().to_string();
        let contact = setup.contact_port.to_string();
        let own = [
            ("rtp_port", rtp.as_str()),
            ("payload", payload.as_str()),
            ("codec", setup.law.name()),
            ("contact_port", contact.as_str()),
        ];
        for (key, value) in own.into_iter().chain(setup.keys.iter().copied()) {
            command.args(["-key", key, value]);
        }
        if text.contains("<recvCmd") {
            command.args(["-3pcc", &format!("127.0.0.1:{hook_port}")]);
        }
        if let Some(equipment) = setup.calls_at {
            command.arg(equipment.to_string());
        }
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let process = command.spawn().expect("sipp (Debian package sip-tester) must be installed");
        let mut phone = Phone { scenario: setup.scenario, process, folder, trace, hook_port, hook: None, media };
        phone.wait_until_bound(setup);
        phone
    }

    fn wait_until_bound(&mut self, setup: &PhoneSetup) {
        // /proc/net/udp names local addresses as hexadecimal little-endian IPv4 and port.
        let local = format!("0100007F:{:04X}", setup.port);
        let table = format!("/proc/net/{}", setup.transport);
        eventually("sipp to bind its port", PATIENCE, || {
            let bound = fs::read_to_string(&table).is_ok_and(|table| table.contains(&local));
            let gone = self.process.try_wait().ok().flatten();
            assert!(gone.is_none(), "sipp left at once ({gone:?}):\n{}", self.report());
            bound.then_some(())
        });
    }

    /// The person at the phone acts: what that means is written in the scenario at its next `<recvCmd/>`.
    pub fn act(&mut self) {
        let call = eventually("a call at this phone", PATIENCE, || {
            self.messages().iter().find_map(|m| m.call_id().map(str::to_owned))
        });
        let port = self.hook_port;
        let hook = self.hook.get_or_insert_with(|| {
            TcpStream::connect(ports::loopback(port)).expect("the phone's hook; has the scenario a recvCmd?")
        });
        hook.write_all(format!("Call-ID: {call}\r\n\r\n\x1b").as_bytes()).expect("sipp listens to its hook");
    }

    /// All that it sent and received.
    pub fn messages(&self) -> Vec<Message> {
        trace::read(&self.trace)
    }

    /// Waits until it has sent or received such a message.
    #[track_caller]
    pub fn until(&self, what: &str, is: impl Fn(&Message) -> bool) -> Message {
        eventually(&format!("{} at {}", what, self.scenario), PATIENCE, || self.messages().into_iter().find(&is))
    }

    /// How many such messages there were so far.
    pub fn count(&self, is: impl Fn(&Message) -> bool) -> usize {
        self.messages().into_iter().filter(|m| is(m)).count()
    }

    /// Waits until `sipp` has played all its calls and judged them good. Gives what the phone heard.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.finish_within(PATIENCE)
    }

    /// The same, for phones whose story takes longer.
    #[track_caller]
    pub fn finish_within(mut self, bound: Duration) -> Finished {
        let status = eventually("sipp to play its scenario to the end", bound + PATIENCE, || {
            self.process.try_wait().expect("a child of ours")
        });
        assert!(status.success(), "sipp judges {} failed ({status}):\n{}", self.scenario, self.report());
        Finished { messages: self.messages(), heard: self.media.heard() }
    }

    /// Its trace and complaints, for a failing test's message.
    pub fn report(&self) -> String {
        let part = |file: &str| fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
        format!("== errors ==\n{}\n== messages ==\n{}", part("errors.log"), part("messages.log"))
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.process.kill().ok();
            self.process.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("---- {}\n{}", self.scenario, self.report());
        }
    }
}

/// What is left of a phone that played its part.
#[derive(Debug)]
pub struct Finished {
    /// All that it sent and received.
    pub messages: Vec<Message>,
    /// All that it heard.
    pub heard: Vec<super::rtp::Frame>,
}

/// Where a scenario lives.
pub fn scenario_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-scenarios").join(format!("{name}.xml"))
}
