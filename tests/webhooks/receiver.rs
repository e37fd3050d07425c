//! A business's webhook for the tests: a small HTTP server that answers as it is told and remembers what it got. Owns its socket and
//! threads; judges signatures with the openssl program, which is not ours.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// One request.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signature: String,
    /// All lines of the head.
    pub head: String,
    /// As it came.
    pub body: String,
    /// What it was answered.
    pub status: u16,
    /// When it was there.
    pub at: Instant,
}

impl Delivery {
    /// The event.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// Every one of its signatures is right for one of these secrets (`whsec_…`), in this order.
    #[track_caller]
    pub fn assert_signed(&self, secrets: &[&str]) {
        let signed = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let expected: Vec<String> = secrets.iter().map(|secret| format!("v1,{}", hmac(secret, &signed))).collect();
        assert_eq!(self.signature, expected.join(" "), "{}", self.head);
        let seconds: i64 = self.timestamp.parse().expect("whole seconds");
        let age = time::OffsetDateTime::now_utc().unix_timestamp() - seconds;
        assert!((-5..120).contains(&age), "signed {age} s ago");
    }
}

/// HMAC-SHA256 in base64, by openssl.
fn hmac(secret: &str, text: &str) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let key = base64.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("hexkey:{key}"), "-binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    base64.encode(child.wait_with_output().expect("its end").stdout)
}

/// How the next request is answered.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The status.
    pub status: u16,
    /// After so long.
    pub after: Duration,
    /// Further lines of the head, each with its end.
    pub head: &'static str,
}

impl Manner {
    /// At once.
    pub fn status(status: u16) -> Manner {
        Manner { status, after: Duration::ZERO, head: "" }
    }
}

struct Shared {
    next: Mutex<VecDeque<Manner>>,
    always: Mutex<Manner>,
    got: Mutex<Vec<Delivery>>,
    connections: Mutex<usize>,
    stop: AtomicBool,
}

/// The server; ends with its guard.
pub struct Receiver {
    /// Where it is.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// One that takes everything.
    pub fn start(address: SocketAddr) -> Receiver {
        Receiver::over(address, None)
    }

    /// The same over TLS.
    pub fn secure(address: SocketAddr, tls: Arc<ServerConfig>) -> Receiver {
        Receiver::over(address, Some(tls))
    }

    fn over(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Receiver {
        let listener = TcpListener::bind(address).expect("the receiver's port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            next: Mutex::default(),
            always: Mutex::new(Manner::status(204)),
            got: Mutex::default(),
            connections: Mutex::new(0),
            stop: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut serving = Vec::new();
            while !own.stop.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        *lock(&own.connections) += 1;
                        let (own, tls) = (Arc::clone(&own), tls.clone());
                        serving.push(std::thread::spawn(move || take(&own, stream, tls)));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
            serving.into_iter().for_each(|thread| thread.join().unwrap_or_default());
        });
        Receiver { address, shared, thread: Some(thread) }
    }

    /// The next requests are answered like this, one each; then as always.
    pub fn answers(&self, manners: impl IntoIterator<Item = Manner>) {
        lock(&self.shared.next).extend(manners);
    }

    /// All others are answered like this.
    pub fn always(&self, manner: Manner) {
        *lock(&self.shared.always) = manner;
    }

    /// What it got, in the order of coming.
    pub fn got(&self) -> Vec<Delivery> {
        lock(&self.shared.got).clone()
    }

    /// What it took: answered with 2xx.
    pub fn took(&self) -> Vec<Delivery> {
        self.got().into_iter().filter(|delivery| (200..300).contains(&delivery.status)).collect()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        *lock(&self.shared.connections)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_default();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(shared: &Shared, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
    stream.set_nonblocking(false).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    match tls {
        None => serve(shared, stream),
        Some(tls) => {
            let connection = ServerConnection::new(tls).expect("a connection");
            serve(shared, StreamOwned::new(connection, stream));
        }
    }
}

fn serve<S: Read + Write>(shared: &Shared, stream: S) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).is_ok_and(|read| read > 0) {
            continue;
        }
        return;
    }
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let mut body = vec![0; field("content-length").parse().unwrap_or(0)];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let next = lock(&shared.next).pop_front();
    let manner = next.unwrap_or_else(|| lock(&shared.always).clone());
    let delivery = Delivery {
        id: field("webhook-id"),
        timestamp: field("webhook-timestamp"),
        signature: field("webhook-signature"),
        body: String::from_utf8(body).expect("text"),
        status: manner.status,
        at: Instant::now(),
        head,
    };
    lock(&shared.got).push(delivery);
    let end = Instant::now() + manner.after;
    while Instant::now() < end && !shared.stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let answer =
        format!("HTTP/1.1 {} Said\r\n{}Content-Length: 0\r\nConnection: close\r\n\r\n", manner.status, manner.head);
    // Who waited too long is gone.
    let _gone = reader.get_mut().write_all(answer.as_bytes());
}
