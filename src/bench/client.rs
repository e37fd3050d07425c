//! The businesses' side of the load: initiation messages over HTTP at a steady rate. Owns the connections and the pacing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Mutex as Turn;

use super::target::Target;
use super::{BenchError, micros};

const CONNECTIONS: usize = 16;

/// What became of the messages.
#[derive(Clone, Debug, Default)]
pub struct Placed {
    /// 202.
    pub accepted: u32,
    /// Anything else.
    pub refused: u32,
    /// Microseconds from POST to 202.
    pub answer_micros: Vec<u64>,
    posted: HashMap<u32, u64>,
}

impl Placed {
    /// Microseconds from the POST of a call to a later moment of it.
    pub fn until(&self, moments: &[(u32, u64)]) -> Vec<u64> {
        moments.iter().filter_map(|(call, at)| self.posted.get(call).map(|begin| at.saturating_sub(*begin))).collect()
    }
}

/// When the calls are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// As soon as possible.
    Now,
    /// In a day: none of them is placed while it is measured.
    Tomorrow,
}

/// Places `calls` calls numbered from `first`, so many a second.
pub fn place(target: &Target, first: u32, calls: u32, rate: u32) -> Result<Placed, BenchError> {
    place_for(target, first, calls, rate, Wanted::Now)
}

/// The same, wanted then.
pub fn place_for(target: &Target, first: u32, calls: u32, rate: u32, wanted: Wanted) -> Result<Placed, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tomorrow = time::OffsetDateTime::now_utc() + time::Duration::days(1);
    let at = match wanted {
        Wanted::Now => String::new(),
        Wanted::Tomorrow => tomorrow.format(&time::format_description::well_known::Rfc3339).unwrap_or_default(),
    };
    runtime.block_on(place_all(target, (first, calls, rate), &at))
}

async fn place_all(target: &Target, (first, calls, rate): (u32, u32, u32), wanted: &str) -> Result<Placed, BenchError> {
    let login = format!("{}:{}", target.business, target.password);
    let login = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login));
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        senders.push(Arc::new(Turn::new(connect(target.http).await?)));
    }
    // The first verification of a password is slow on purpose; it is none of what is measured.
    let warm = Arc::clone(&senders[0]);
    let placed = Arc::new(Mutex::new(Placed::default()));
    drop(post(&warm, &login, r#"{"business_id":"bench"}"#.to_owned()).await);
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..calls {
        // A soak has more of them than are worth keeping.
        while tasks.try_join_next().is_some() {}
        let at = begin + Duration::from_secs_f64(f64::from(n) / f64::from(rate.max(1)));
        tokio::time::sleep_until(at.into()).await;
        let sender = Arc::clone(&senders[n as usize % CONNECTIONS]);
        let (login, placed, call) = (login.clone(), Arc::clone(&placed), first + n);
        let message = message(call, wanted);
        tasks.spawn(async move {
            let posted = micros();
            let status = post(&sender, &login, message).await;
            let mut placed = placed.lock().unwrap_or_else(PoisonError::into_inner);
            placed.posted.insert(call, posted);
            match status {
                Ok(202) => {
                    placed.accepted += 1;
                    placed.answer_micros.push(micros() - posted);
                }
                Ok(_) | Err(_) => placed.refused += 1,
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    let placed = placed.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(placed)
}

/// An absent and an empty time are the same.
fn message(call: u32, at: &str) -> String {
    format!(
        r#"{{"customer":"+1212{call:07}","representative":"+1646{call:07}","reference":"{call}","desired_contact_time":"{at}"}}"#
    )
}

/// The metrics that a daemon shows there.
pub fn metrics(admin: SocketAddr) -> Result<String, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut sender = connect(admin).await?;
        let request = Request::get("/metrics").header("host", "127.0.0.1").body(Full::default()).unwrap_or_default();
        let response = sender.send_request(request).await.map_err(broken)?;
        let body = response.into_body().collect().await.map_err(broken)?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    })
}

fn broken(error: hyper::Error) -> BenchError {
    BenchError::Http(error.to_string())
}

async fn connect(to: SocketAddr) -> Result<SendRequest<Full<Bytes>>, BenchError> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn post(sender: &Turn<SendRequest<Full<Bytes>>>, login: &str, body: String) -> Result<u16, hyper::Error> {
    let request = Request::post("/v1/calls")
        .header("host", "127.0.0.1")
        .header("authorization", login)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap_or_default();
    let mut sender = sender.lock().await;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    response.into_body().collect().await?;
    Ok(status)
}
