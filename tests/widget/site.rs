//! A business's site: pages under the strictest policy that still lets the button in, and call requests of its own: passed on to the
//! equipment, or taken for customers whom it knows. Owns its thread; it ends with the guard.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::support::ports::loopback;

/// A page of the site; `tag` are attributes of the script's tag (the first of a name holds), `body` its main part.
pub fn page(equipment: &str, title: &str, tag: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><link rel=\"stylesheet\" href=\"/site.css\">\
         <script src=\"http://{equipment}/widget.js\" {tag} data-business=\"abc\" data-country=\"US\" async></script></head>\
         <body><main><h1>{title}</h1><p>Ten days along the coast, from May to September.</p>{body}\
         <p><a href=\"/cruises\">Cruises</a> <a href=\"/contact\">Contact</a></p></main></body></html>"
    )
}

/// A site that is served.
pub struct Site {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    equipment: SocketAddr,
    pages: Vec<(&'static str, String)>,
    /// What `/known/call-requests` was sent.
    asked: Mutex<Vec<Value>>,
    over: AtomicBool,
}

impl Site {
    /// Serves these pages at this port of loopback.
    pub fn start(port: u16, equipment: SocketAddr, pages: Vec<(&'static str, String)>) -> Site {
        let address = loopback(port);
        let listener = TcpListener::bind(address).expect("the site's port");
        let shared = Arc::new(Shared { equipment, pages, asked: Mutex::default(), over: AtomicBool::new(false) });
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.over.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), own) = (stream, Arc::clone(&own)) else { continue };
                // A browser that goes away in the middle is no fault.
                std::thread::spawn(move || own.serve(stream).ok());
            }
        });
        Site { shared, address, thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the server that knows its customers was asked.
    pub fn asked(&self) -> Vec<Value> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let (head, body) = read(&mut stream)?;
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let bare = path.split(['?', '#']).next().unwrap_or_default();
        if bare.starts_with("/call-requests") {
            return self.pass_on(stream, &head, &body);
        }
        if bare == "/known/call-requests" {
            let asked = serde_json::from_slice(&body).map_err(io::Error::other)?;
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
            return write(&mut stream, "202 Accepted", "application/json", "", "{}");
        }
        if bare == "/site.css" {
            let sheet = "body { font: 17px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem; color: #1c2430; \
                background: #f6f4ef; } button { font: inherit; padding: .6rem 1.2rem; border: 0; border-radius: .5rem; background: #1557b0; color: #fff; } \
                a { color: #124a96; } @media (prefers-color-scheme: dark) { body { background: #12151a; color: #eef1f5; } a { color: #8fbcff; } }";
            return write(&mut stream, "200 OK", "text/css", "", sheet);
        }
        let Some((_, text)) = self.pages.iter().find(|(own, _)| *own == bare) else {
            return write(&mut stream, "404 Not Found", "text/plain", "", "");
        };
        // Nothing from anywhere but the button, its requests, and the site's own style sheet and server.
        let policy = format!(
            "Content-Security-Policy: default-src 'none'; script-src http://{0}; connect-src 'self' http://{0}; style-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'\r\n",
            self.equipment
        );
        write(&mut stream, "200 OK", "text/html; charset=utf-8", &policy, text)
    }

    /// To the equipment and back, as it comes: events too.
    fn pass_on(&self, mut stream: TcpStream, head: &str, body: &[u8]) -> io::Result<()> {
        let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
        let first = first.replacen(" /call-requests", " /v1/call-requests", 1);
        let own = |line: &&str| {
            let line = line.to_ascii_lowercase();
            !["host:", "connection:"].iter().any(|name| line.starts_with(name))
        };
        let kept: Vec<&str> = rest.lines().filter(own).collect();
        let mut onward = TcpStream::connect(self.equipment)?;
        let lines = kept.join("\r\n");
        write!(onward, "{first}\r\nHost: equipment\r\nConnection: close\r\n{lines}\r\n\r\n")?;
        onward.write_all(body)?;
        io::copy(&mut onward, &mut stream)?;
        Ok(())
    }
}

/// The head of a request without its last empty line, and its body.
fn read(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .to_ascii_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                return Ok((head, bytes.split_off(end + 4)));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn write(stream: &mut TcpStream, status: &str, kind: &str, headers: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}
