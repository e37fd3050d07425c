//! Reads the message trace that `sipp -trace_msg` writes: what a phone sent and received, octet by octet.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// One SIP message as the phone saw it.
#[derive(Clone, Debug)]
pub struct Message {
    /// True when the phone sent it.
    pub sent: bool,
    /// All of it.
    pub text: String,
}

impl Message {
    /// The request or status line.
    pub fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or("")
    }

    /// The Call-ID, also in its compact form.
    pub fn call_id(&self) -> Option<&str> {
        self.header("Call-ID").or_else(|| self.header("i"))
    }

    /// The first header of this name, trimmed.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        head.lines().skip(1).find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// A request of this method.
    pub fn is_request(&self, method: &str) -> bool {
        self.first_line().split(' ').next() == Some(method)
    }

    /// A response with this status to a request of this method.
    pub fn is_response(&self, status: u16, method: &str) -> bool {
        self.first_line().starts_with(&format!("SIP/2.0 {status} "))
            && self.header("CSeq").is_some_and(|c| c.ends_with(method))
    }

    /// Where its SDP wants RTP.
    pub fn media(&self) -> Option<SocketAddr> {
        let (_, body) = self.text.split_once("\r\n\r\n")?;
        let line = |start: &str| body.lines().find_map(|l| l.strip_prefix(start));
        let host = line("c=IN IP4 ")?.trim();
        let port = line("m=audio ")?.split(' ').next()?;
        format!("{host}:{port}").parse().ok()
    }
}

/// Follows a trace file while `sipp` writes it.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    offset: u64,
    rest: Vec<u8>,
}

impl Reader {
    /// From the beginning of the file, which need not exist yet.
    pub fn new(path: &Path) -> Reader {
        Reader { path: path.to_owned(), offset: 0, rest: Vec::new() }
    }

    /// The messages written since the last look.
    pub fn fresh(&mut self) -> Vec<Message> {
        if let Ok(mut file) = File::open(&self.path)
            && file.seek(SeekFrom::Start(self.offset)).is_ok()
            && let Ok(read) = file.read_to_end(&mut self.rest)
        {
            self.offset += read as u64;
        }
        let mut messages = Vec::new();
        while let Some((message, used)) = take(&self.rest) {
            messages.extend(message);
            self.rest.drain(..used);
        }
        messages
    }
}

/// Everything in a trace file so far.
pub fn read(path: &Path) -> Vec<Message> {
    Reader::new(path).fresh()
}

/// One record: a line of dashes and the time, a line that tells direction and length, an empty line, the message.
/// `None` while it is not complete; a record that is no SIP message counts only by its length.
fn take(bytes: &[u8]) -> Option<(Option<Message>, usize)> {
    let start = find(bytes, b"message ")?;
    let line_end = start + find(&bytes[start..], b"\n")?;
    let line = std::str::from_utf8(&bytes[start..line_end]).ok()?;
    let body = line_end + 2;
    let length: usize = line.split(['[', ']', '(', ')', ' ']).find_map(|word| word.parse().ok())?;
    let text = bytes.get(body..body + length)?;
    let is_sip = [&b"UDP "[..], b"TCP "].iter().any(|transport| bytes[..start].ends_with(transport));
    let message = Message { sent: line.starts_with("message sent"), text: String::from_utf8_lossy(text).into_owned() };
    Some((is_sip.then_some(message), body + length))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
