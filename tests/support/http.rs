//! A minimal HTTP/1.1 client: one request, one connection. Knows JSON and Basic credentials, nothing else.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;

/// A whole answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header lines as they came, without the status line.
    pub head: String,
    /// The body as text.
    pub body: String,
}

impl Response {
    /// The body as JSON; panics with the body where it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|e| panic!("no JSON ({e}) in {} {}\n{}", self.status, self.head, self.body))
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Business identifier.
    pub id: String,
    /// Its password.
    pub password: String,
}

/// Sends one request and reads the whole answer.
pub fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    who: Option<&Credentials>,
    body: Option<&Value>,
) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    if let Some(who) = who {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", who.id, who.password));
        head.push_str(&format!("Authorization: Basic {pair}\r\n"));
    }
    let body = body.map(Value::to_string);
    if let Some(body) = &body {
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    let message = format!("{head}\r\n{}", body.unwrap_or_default());
    stream.write_all(message.as_bytes())?;
    let answer = read_whole(&mut stream)?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::other("not an HTTP answer"))
}

/// Sends one request with these header lines, as a browser or a stranger would, and reads the whole answer.
pub fn send(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut message = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    for (name, value) in headers {
        message.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = body.map(Value::to_string);
    if let Some(body) = &body {
        message.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    message.push_str(&format!("\r\n{}", body.unwrap_or_default()));
    stream.write_all(message.as_bytes())?;
    let answer = read_whole(&mut stream)?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::other("not an HTTP answer"))
}

/// To the end of the connection, or of the body where its length is said: not everybody closes who is asked to.
fn read_whole(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (mut answer, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|end| end + 4);
        let length = head.and_then(|end| {
            let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
            head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())
        });
        if head.zip(length).is_some_and(|(end, length)| answer.len() >= end + length) {
            return Ok(answer);
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(answer),
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Fetches what is no text: the status, the header lines and the body as it came, which has a Content-Length.
pub fn download(to: SocketAddr, path: &str, who: &Credentials) -> io::Result<(u16, String, Vec<u8>)> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", who.id, who.password));
    let head = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nAuthorization: Basic {pair}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8_lossy(&answer).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, head.to_lowercase(), body))
}

fn parse(text: &str) -> Option<Response> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (first, head) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.lines().any(|l| l.eq_ignore_ascii_case("transfer-encoding: chunked"));
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Some(Response { status, head: head.to_owned(), body })
}

fn unchunk(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let Some(chunk) = usize::from_str_radix(size, 16).ok().filter(|n| *n > 0).and_then(|n| after.get(..n)) else {
            break;
        };
        whole.push_str(chunk);
        rest = after.get(chunk.len() + 2..).unwrap_or("");
    }
    whole
}
