//! The business's side of the demo: one request over real HTTP, and its answer. Owns that; refuses to retry.

use std::net::SocketAddr;

use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::DemoError;

/// The largest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// Who asks whom.
#[derive(Clone, Debug)]
pub struct Client {
    /// The API.
    pub api: SocketAddr,
    /// The business's identifier.
    pub business: String,
    /// Its password.
    pub password: String,
}

impl Client {
    /// One request; the status and the JSON of the answer (null for none).
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value), DemoError> {
        let http = |error: &dyn std::fmt::Display| DemoError::Http(error.to_string());
        let stream = TcpStream::connect(self.api).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| http(&e))?;
        let driver = tokio::spawn(connection);
        let login = format!("{}:{}", self.business, self.password);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.api.to_string())
            .header("authorization", format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login)))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))
            .map_err(|e| http(&e))?;
        let response = sender.send_request(request).await.map_err(|e| http(&e))?;
        let status = response.status().as_u16();
        let bytes = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|e| http(&e))?.to_bytes();
        driver.abort();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}
