//! A switch on a stream, as small as can be: it takes connections and answers every request, an INVITE with a phone that
//! picks up. Owns its listener and threads; shares no code with the daemon.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::wait::{PATIENCE, eventually};

/// What a peer does besides answering.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Nothing.
    Steady,
    /// Closes the first connection after the first ACK.
    DropsAfterAck,
}

/// Reads and writes.
pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// What it received: number of the connection, and the message.
type Heard = Arc<Mutex<Vec<(usize, String)>>>;

/// The switch.
pub struct Peer {
    heard: Heard,
}

impl Peer {
    /// Listens at this address; with `tls`, only for TLS.
    pub fn listen(listener: TcpListener, tls: Option<Arc<ServerConfig>>, manner: Manner) -> Peer {
        let heard = Heard::default();
        let kept = Arc::clone(&heard);
        let port = listener.local_addr().expect("a bound listener").port();
        // Ends with the test's process: nobody waits for it.
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let (tls, heard) = (tls.clone(), Arc::clone(&kept));
                std::thread::spawn(move || {
                    let wire: Box<dyn Wire> = match tls {
                        None => Box::new(stream),
                        Some(config) => {
                            let connection = ServerConnection::new(config).expect("a server");
                            Box::new(StreamOwned::new(connection, stream))
                        }
                    };
                    // A connection that breaks is over; what was heard is kept.
                    serve(wire, number, port, &heard, manner).ok();
                });
            }
        });
        Peer { heard }
    }

    /// Everything received so far.
    pub fn heard(&self) -> Vec<(usize, String)> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for so many requests of this method.
    #[track_caller]
    pub fn until(&self, method: &str, count: usize) -> Vec<(usize, String)> {
        let is = |(_, text): &(usize, String)| text.starts_with(&format!("{method} "));
        eventually(&format!("{count} {method} at the switch"), PATIENCE, || {
            let found: Vec<_> = self.heard().into_iter().filter(is).collect();
            (found.len() >= count).then_some(found)
        })
    }
}

fn serve(mut wire: Box<dyn Wire>, number: usize, port: u16, heard: &Heard, manner: Manner) -> io::Result<()> {
    loop {
        let Some(text) = message(&mut wire)? else { return Ok(()) };
        heard.lock().unwrap_or_else(PoisonError::into_inner).push((number, text.clone()));
        let method = text.split(' ').next().unwrap_or_default();
        match method {
            "ACK" if manner == Manner::DropsAfterAck && number == 0 => return Ok(()),
            "ACK" | "SIP/2.0" => {}
            _ => wire.write_all(answer(&text, 200, port).as_bytes())?,
        }
        wire.flush()?;
    }
}

/// One message by its Content-Length; `None` at the end of the stream.
pub fn message(wire: &mut dyn Wire) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        if wire.read(&mut byte)? == 0 {
            return Ok(None);
        }
        if !(text.is_empty() && matches!(byte[0], b'\r' | b'\n')) {
            text.push(byte[0]);
        }
    }
    let head = String::from_utf8_lossy(&text).into_owned();
    let mut body = vec![0; field(&head, "Content-Length").parse().unwrap_or(0)];
    wire.read_exact(&mut body)?;
    Ok(Some(head + &String::from_utf8_lossy(&body)))
}

/// The value of a header field.
pub fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let mut lines = text.split("\r\n").take_while(|line| !line.is_empty());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or("")
}

fn answer(request: &str, status: u16, port: u16) -> String {
    let [via, from, to, call, cseq] = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| field(request, name));
    let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag=peer") };
    let transport = via.split(['/', ' ']).nth(2).unwrap_or("TCP").to_ascii_lowercase();
    let (extra, body) = match cseq.ends_with("INVITE") {
        false => (String::new(), String::new()),
        true => {
            let host = if via.contains("[::1]") { "[::1]" } else { "127.0.0.1" };
            let contact = format!("Contact: <sip:phone@{host}:{port};transport={transport}>\r\n");
            (contact + "Content-Type: application/sdp\r\n", sdp())
        }
    };
    format!(
        "SIP/2.0 {status} Fine\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq}\r\n{extra}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn sdp() -> String {
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        .to_owned()
}

/// An OPTIONS that a switch might send, over this transport.
pub fn options(transport: &str, number: u32) -> String {
    format!(
        "OPTIONS sip:callbridge@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:9;branch=z9hG4bKo{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:switch@127.0.0.1>;tag=1\r\nTo: <sip:callbridge@127.0.0.1>\r\nCall-ID: o{number}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Connects from this loopback address.
pub fn connect_from(from: &str, to: std::net::SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let from: std::net::SocketAddr = format!("{from}:0").parse().expect("an address");
    socket.bind(&from.into()).expect("a loopback address");
    socket.connect(&to.into()).expect("loopback connects");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a bound on waiting");
    stream
}

/// The stream ends, by a close or a reset, and nothing was said.
#[track_caller]
pub fn assert_silent_end(mut stream: impl Read) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert!(
            !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            "the connection lives on"
        ),
    }
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}
