//! The demo's page: the ladder, the verdict, both recordings with players, the record, a button that places the call again, and the
//! button that a business would have. Owns that page on a free loopback port; nothing of it comes from outside.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::play::{CUSTOMER_WAV, RECORD, REPRESENTATIVE_WAV};

const HTML: &str = include_str!("page.html");
/// Only what the page and the daemon bring along may run, and only they may be asked.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' EQUIPMENT; style-src 'unsafe-inline'; media-src 'self'; \
    connect-src 'self' EQUIPMENT";

/// What the page shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Shown {
    /// The ladder so far.
    pub ladder: Vec<String>,
    /// The verdict, once there is one.
    pub verdict: Vec<String>,
    /// A call is being placed.
    pub busy: bool,
    /// Counts calls, so that the players fetch new recordings.
    pub calls: u32,
}

struct Page {
    shown: Mutex<Shown>,
    folder: PathBuf,
    again: Sender<()>,
}

/// A page that is being served.
#[derive(Clone)]
pub struct PageHandle(Arc<Page>);

impl PageHandle {
    /// A free port for the page: the daemon is told whose pages may ask.
    pub async fn place() -> std::io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    /// Serves the page, whose button asks the daemon at `equipment`; answers where wishes for another call arrive.
    pub fn serve(listener: TcpListener, folder: PathBuf, equipment: SocketAddr) -> (PageHandle, Receiver<()>) {
        let (again, wishes) = channel(1);
        let page = Arc::new(Page { shown: Mutex::default(), folder, again });
        let routes = routes(Arc::clone(&page), equipment);
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!(%error, "the demo's page is no longer served");
            }
        });
        (PageHandle(page), wishes)
    }

    /// Changes what is shown.
    pub fn show(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.0.lock());
    }
}

impl Page {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn routes(page: Arc<Page>, equipment: SocketAddr) -> Router {
    let equipment = format!("http://{equipment}");
    let (html, policy) = (HTML.replace("EQUIPMENT", &equipment), POLICY.replace("EQUIPMENT", &equipment));
    let front = get(move || {
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (header::CONTENT_SECURITY_POLICY, policy.clone()),
        ];
        let html = html.clone();
        async move { (headers, html) }
    });
    Router::new()
        .route("/", front)
        .route("/state", get(async |State(page): State<Arc<Page>>| Json(page.lock().clone())))
        .route("/files/{name}", get(file))
        .route("/again", post(again))
        .with_state(page)
}

async fn file(State(page): State<Arc<Page>>, Path(name): Path<String>) -> Response {
    let kind = match name.as_str() {
        CUSTOMER_WAV | REPRESENTATIVE_WAV => "audio/wav",
        RECORD => "application/json",
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match tokio::fs::read(page.folder.join(name)).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], bytes).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The header is one that another site's page cannot send here unasked.
async fn again(State(page): State<Arc<Page>>, headers: HeaderMap) -> StatusCode {
    if !headers.contains_key("x-callbridge-demo") {
        return StatusCode::FORBIDDEN;
    }
    match page.again.try_send(()) {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::CONFLICT,
    }
}
