//! A real Kamailio with `kamailio.cfg` of this folder. Owns its processes and its folder; both are gone when the guard is.

use std::net::UdpSocket;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::log::Log;
use crate::support::ports::{self, loopback};
use crate::support::wait::{PATIENCE, eventually};

/// What one Kamailio is to do.
#[derive(Clone, Debug)]
pub struct Office {
    /// Its port, the same for every transport that it listens to.
    pub port: u16,
    /// Where the phones are that have not registered: the customer's, the representatives'.
    pub phones: [u16; 2],
    /// Further `-A` definitions.
    pub defines: Vec<String>,
    /// Certificate and key as PEM files: it listens over TLS, too, at the next port.
    pub tls: Option<[PathBuf; 2]>,
}

impl Office {
    /// One in front of these phones.
    pub fn before(phones: [u16; 2]) -> Office {
        Office { port: ports::block(2), phones, defines: Vec::new(), tls: None }
    }

    /// Asks callbridge for its password by this digest algorithm.
    pub fn asking(mut self, algorithm: &str, nonce_seconds: u32) -> Office {
        let algorithm = format!("ALGORITHM=\"{algorithm}\"");
        self.defines.extend(["WITH_AUTH".to_owned(), algorithm, format!("NONCE_SECONDS={nonce_seconds}")]);
        self
    }

    /// Refuses every new call with 503.
    pub fn out_of_service(mut self) -> Office {
        self.defines.push("OUT_OF_SERVICE".to_owned());
        self
    }
}

/// A running Kamailio.
#[derive(Debug)]
pub struct Kamailio {
    process: Child,
    log: Log,
    _folder: tempfile::TempDir,
}

impl Kamailio {
    /// Starts it and returns when it answers OPTIONS.
    pub fn start(office: &Office) -> Kamailio {
        let folder = tempfile::tempdir().expect("a folder for kamailio");
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/kamailio.cfg");
        let mut command = Command::new("kamailio");
        // In the foreground, logging to stderr, little memory, nothing outside its folder.
        command.args(["-DD", "-E", "-m", "32", "-M", "8", "-f"]).arg(config);
        command.arg("-w").arg(folder.path()).arg("-Y").arg(folder.path()).arg("-P").arg(folder.path().join("pid"));
        for transport in ["udp", "tcp"] {
            command.args(["-l", &format!("{transport}:127.0.0.1:{}", office.port)]);
        }
        if let Some([certificate, key]) = &office.tls {
            let config = folder.path().join("tls.cfg");
            let text = format!(
                "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\ncertificate = {}\n\
                 private_key = {}\n[client:default]\nmethod = TLSv1.2+\nverify_certificate = no\n",
                certificate.display(),
                key.display()
            );
            std::fs::write(&config, text).expect("a file for kamailio");
            command.args(["-l", &format!("tls:127.0.0.1:{}", office.port + 1), "-A", "WITH_TLS"]);
            command.args(["-A", &format!("TLS_FILES=\"{}\"", config.display())]);
        }
        for (name, port) in ["CUSTOMER", "REPRESENTATIVE"].iter().zip(office.phones) {
            command.args(["-A", &format!("{name}=\"127.0.0.1:{port}\"")]);
        }
        for define in &office.defines {
            command.args(["-A", define]);
        }
        // A group of its own: its workers end with it.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("kamailio (Debian package) must be installed");
        let log = Log::follow(process.stderr.take().expect("a pipe"));
        let mut kamailio = Kamailio { process, log, _folder: folder };
        kamailio.wait_until_alive(office.port);
        kamailio
    }

    fn wait_until_alive(&mut self, port: u16) {
        let socket = UdpSocket::bind(loopback(0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a read timeout");
        let own = socket.local_addr().expect("its address");
        let mut answer = [0; 2048];
        let mut asked = 0;
        eventually("kamailio to answer OPTIONS", PATIENCE, || {
            let gone = self.process.try_wait().ok().flatten();
            assert!(gone.is_none(), "kamailio left at once ({gone:?}):\n{}", self.log.text());
            asked += 1;
            let options = format!(
                "OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{asked}\r\n\
                 From: <sip:test@{own}>;tag=1\r\nTo: <sip:127.0.0.1:{port}>\r\nCall-ID: alive-{asked}-{own}\r\n\
                 CSeq: {asked} OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
            );
            socket.send_to(options.as_bytes(), loopback(port)).ok()?;
            let length = socket.recv(&mut answer).ok()?;
            answer[..length].starts_with(b"SIP/2.0 200").then_some(())
        });
    }

    /// kill -9, its workers too.
    pub fn kill(&mut self) {
        kill_process_group(Pid::from_child(&self.process), Signal::KILL).expect("a group of ours");
        self.process.wait().expect("a child of ours");
    }

    /// How many lines of its log have this text.
    pub fn logged(&self, text: &str) -> usize {
        self.log.lines().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until its log has a line with this text; gives that line.
    #[track_caller]
    pub fn until(&self, text: &str) -> String {
        eventually(&format!("kamailio to log {text}"), PATIENCE, || {
            self.log.lines().into_iter().find(|line| line.contains(text))
        })
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            kill_process_group(Pid::from_child(&self.process), Signal::KILL).ok();
            self.process.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("---- kamailio\n{}", self.log.text());
        }
    }
}
