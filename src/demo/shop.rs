//! The business's Web server in the demo, and the two browsers at it: the customer's, which presses the button, and the representative's at
//! the desk. Owns these; what is said of the desk is read off its page, as a person would.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::header::{COOKIE, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, interval, sleep};
use url::form_urlencoded::Serializer;

use super::DemoError;
use super::stage::{CUSTOMER, REPRESENTATIVE};
use crate::config::storefront;
use crate::storefront::Running;

/// Who is at the desk.
pub const NAME: &str = "anna";
/// The page that the customer is on, and the one before.
const PAGE: (&str, &str) = ("/products/caribbean", "Caribbean, ten nights");
const BEFORE: (&str, &str) = ("/products/fjords", "Norwegian fjords, seven nights");
const NOTE: &str = "Is there a cabin for three?";
/// The desk's page renews its lease more often than it ends.
const RENEWED: Duration = Duration::from_secs(60);
/// The largest page that is read.
const MAX_PAGE: usize = 1 << 20;
/// A page of the shop shows by then what happened at the equipment.
const SOON: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// The running Web server and the representative's browser.
pub struct Shop {
    running: Running,
    desk: Arc<Mutex<Browser>>,
    /// The representative's password, for whoever wants to sit at the desk.
    pub password: String,
    renewal: tokio::task::JoinHandle<()>,
}

/// A page as it was answered.
struct Page {
    status: u16,
    text: String,
    leads_to: Option<String>,
}

/// Keeps cookies and sends forms as browsers do.
struct Browser {
    at: SocketAddr,
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn new(at: SocketAddr) -> Browser {
        Browser { at, cookies: Vec::new() }
    }

    async fn ask(&mut self, method: Method, path: &str, kind: &str, body: String) -> Result<Page, DemoError> {
        let http = |error: &dyn std::fmt::Display| DemoError::Http(format!("{path} of the shop: {error}"));
        let stream = TcpStream::connect(self.at).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| http(&e))?;
        let driver = tokio::spawn(connection);
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.at.to_string())
            .header("origin", format!("http://{}", self.at))
            .header(COOKIE, cookies.join("; "))
            .header("content-type", kind)
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| http(&e))?;
        let response = sender.send_request(request).await.map_err(|e| http(&e))?;
        let status = response.status().as_u16();
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let leads_to = response.headers().get(LOCATION).and_then(text);
        for cookie in response.headers().get_all(SET_COOKIE).iter().filter_map(text) {
            let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
            if let Some((name, value)) = pair {
                self.cookies.retain(|(known, _)| known != name);
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let bytes = Limited::new(response.into_body(), MAX_PAGE).collect().await.map_err(|e| http(&e))?.to_bytes();
        driver.abort();
        Ok(Page { status, text: String::from_utf8_lossy(&bytes).into_owned(), leads_to })
    }

    async fn get(&mut self, path: &str) -> Result<String, DemoError> {
        Ok(self.ask(Method::GET, path, "text/plain", String::new()).await?.text)
    }

    /// Fills in a form of the page at `from`.
    async fn send(&mut self, from: &str, to: &str, fields: &[(&str, &str)]) -> Result<Page, DemoError> {
        let page = self.get(from).await?;
        let token = hidden(&page, "token").unwrap_or_default();
        let form = Serializer::new(String::new()).append_pair("token", token).extend_pairs(fields).finish();
        self.ask(Method::POST, to, "application/x-www-form-urlencoded", form).await
    }
}

/// What stands in a form's hidden field.
fn hidden<'p>(page: &'p str, name: &str) -> Option<&'p str> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    rest.split('"').next()
}

impl Shop {
    /// Opens the shop in front of an equipment; the representative logs on.
    pub async fn open(
        folder: &Path,
        equipment: SocketAddr,
        [business, password]: [&str; 2],
    ) -> Result<Shop, DemoError> {
        let name = super::fresh_name();
        let own: String = super::stage::password();
        std::fs::write(folder.join("equipment.password"), password)?;
        std::fs::write(folder.join("anna.password"), &own)?;
        let text = format!(
            r#"# The business's Web server of one callbridge demo.
[http]
listen = "127.0.0.1:0"
[store]
file = "{name}-shop.db"
[company]
name = "ABC"
[calls]
max_per_number = 1000
max_per_source = 1000
[desk]
lease_seconds = 600
[log]
filter = "warn"
[[equipment]]
url = "http://{equipment}"
business = "{business}"
password_file = "equipment.password"
[[representative]]
id = "{NAME}"
name = "Anna Alvarez"
address = "{REPRESENTATIVE}"
skills = ["cruise"]
password_file = "anna.password"
"#
        );
        std::fs::write(folder.join("storefront.toml"), &text)?;
        let config = storefront::parse(&text, "the demo's shop", folder).map_err(crate::daemon::DaemonError::from)?;
        let running = Running::start(&config, true).await.map_err(|error| DemoError::Http(error.to_string()))?;
        let desk = Arc::new(Mutex::new(Browser::new(running.address)));
        let logged_on = {
            let fields = [("id", NAME), ("password", own.as_str()), ("address", "")];
            desk.lock().await.send("/desk/login", "/desk/login", &fields).await?
        };
        if logged_on.leads_to.as_deref() != Some("/desk") {
            return Err(DemoError::Http(format!("the representative cannot log on: {}", logged_on.status)));
        }
        let renewal = tokio::spawn(renew(Arc::clone(&desk)));
        Ok(Shop { running, desk, password: own, renewal })
    }

    /// Where its pages are.
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// The customer presses the button (Fig. 7); gives the business's own name of the request.
    pub async fn press_the_button(&self) -> Result<String, DemoError> {
        let url =
            |(path, title): (&str, &str)| json!({ "url": format!("http://{}{path}", self.address()), "title": title });
        let mut page = url(PAGE);
        if let Some(page) = page.as_object_mut() {
            page.insert("viewed".to_owned(), json!([url(BEFORE)]));
        }
        let message = json!({ "customer": CUSTOMER, "web_page": page, "note": NOTE });
        let mut customer = Browser::new(self.address());
        let answer = customer.ask(Method::POST, "/call-requests", "application/json", message.to_string()).await?;
        let request: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        match request["id"].as_str() {
            Some(id) if answer.status == 202 => Ok(id.to_owned()),
            _ => Err(DemoError::Http(format!("POST /call-requests was answered {}: {}", answer.status, answer.text))),
        }
    }

    /// What the desk shows of the customer who is being served: one line; none yet.
    pub async fn desk_shows(&self) -> Result<Option<String>, DemoError> {
        let page = self.desk.lock().await.get("/desk").await?;
        let shows = [CUSTOMER, PAGE.1, BEFORE.1, NOTE].iter().all(|text| page.contains(text));
        let line =
            || format!("the desk shows {CUSTOMER}, on \"{}\", before that \"{}\", and \"{NOTE}\"", PAGE.1, BEFORE.1);
        Ok(shows.then(line))
    }

    /// The representative sends back an order (614); true once the shop has it (616).
    pub async fn order_comes_back(&self) -> Result<bool, DemoError> {
        let until = Instant::now() + SOON;
        loop {
            let mut desk = self.desk.lock().await;
            let page = desk.get("/desk").await?;
            if let Some(request) = hidden(&page, "request").map(str::to_owned) {
                let fields = [
                    ("request", request.as_str()),
                    ("kind", "order"),
                    ("product", "caribbean"),
                    ("quantity", "1"),
                    ("name", "A customer"),
                    ("text", ""),
                ];
                // Refused while the shop does not know yet that the call is over.
                if desk.send("/desk", "/desk/result", &fields).await?.leads_to.is_some() {
                    let records = desk.get("/desk/records").await?;
                    return Ok(records.contains(PAGE.1) && records.contains("A customer"));
                }
            }
            drop(desk);
            if Instant::now() >= until {
                return Ok(false);
            }
            sleep(LOOK).await;
        }
    }

    /// Closes it.
    pub async fn close(self) {
        self.renewal.abort();
        self.running.stop().await;
    }
}

/// What the desk's page does while it is open.
async fn renew(desk: Arc<Mutex<Browser>>) {
    let mut every = interval(RENEWED);
    loop {
        every.tick().await;
        if let Err(error) = desk.lock().await.send("/desk", "/desk/lease", &[]).await {
            tracing::warn!(%error, "the desk's lease is not renewed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_field_is_read_off_a_page() {
        let page =
            "<form><input type=\"hidden\" name=\"token\" value=\"abc-1\"><input name=\"request\" value=\"r\"></form>";
        assert_eq!((hidden(page, "token"), hidden(page, "request")), (Some("abc-1"), Some("r")));
        assert_eq!(hidden(page, "other"), None);
    }
}
