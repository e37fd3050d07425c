//! What the demo is played on: the daemon, both phones and the business, all on free loopback ports, all files in one folder.
//! Owns setting up and taking down; refuses to place calls.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::client::Client;
use super::handset::{Handset, Line, Seen, even_ports};
use super::shop::{NAME, Shop};
use super::{DemoError, voices};
use crate::config::{self, Config};
use crate::daemon::Daemon;
use crate::io::clock::SystemClock;
use crate::io::passwords::hash_password;
use crate::phone::Behaviour;

/// The customer's number 810.
pub const CUSTOMER: &str = "+12125550100";
/// The representative's number 812.
pub const REPRESENTATIVE: &str = "+16465550100";
/// The business's identifier 804.
const BUSINESS: &str = "abc";

/// From its INVITE to the customer's answer.
const CUSTOMER_ANSWERS: Duration = Duration::from_millis(1_200);
/// From its INVITE to the representative's answer: the message is heard in full, and some hold music.
const REPRESENTATIVE_ANSWERS: Duration = Duration::from_millis(7_000);
/// The representative hangs up so long after the answer.
const TALK: Duration = Duration::from_millis(6_000);
/// RTP ports for the daemon: enough for the legs of a few calls one after the other.
const MEDIA_PORTS: u16 = 8;

/// Everything that runs.
pub struct Stage {
    /// Where the files are.
    pub folder: PathBuf,
    /// Reads the time for everybody.
    pub clock: SystemClock,
    /// The business.
    pub client: Client,
    /// Its Web server.
    pub shop: Shop,
    /// What is seen at the phones.
    pub seen: UnboundedReceiver<Seen>,
    /// Times frames from phone to phone.
    pub line: Arc<Line>,
    /// The program that speaks, if one is installed.
    pub speech: Option<String>,
    daemon: Daemon,
    phones: [Handset; 2],
}

impl Stage {
    /// Sets everything up in a folder that is there. `page` is where a page will be served, whose button may ask for calls.
    pub async fn set(folder: &Path, page: Option<SocketAddr>) -> Result<Stage, DemoError> {
        let clock = SystemClock::start();
        let (tell, seen) = unbounded_channel();
        let line = Arc::new(Line::default());
        let place = folder.to_owned();
        let (spoken, speech) = tokio::task::spawn_blocking(move || voices::prepare(&place)).await?;
        let [customer_voice, representative_voice] = spoken.map(Arc::new);
        let customer = Behaviour::answering(CUSTOMER_ANSWERS, 0, None);
        let representative = Behaviour::answering(REPRESENTATIVE_ANSWERS, 0, Some(TALK));
        let plug_in =
            |role, behaviour, voice| Handset::plug_in(role, behaviour, voice, clock, Arc::clone(&line), tell.clone());
        let phones = [
            plug_in(crate::model::Role::Customer, customer, customer_voice)?,
            plug_in(crate::model::Role::Representative, representative, representative_voice)?,
        ];
        let password = password();
        let config = configuration(folder, &phones, &password, page)?;
        let daemon = Daemon::start(config).await?;
        let client = Client { api: daemon.addresses().http, business: BUSINESS.to_owned(), password };
        let shop = Shop::open(folder, client.api, [BUSINESS, &client.password]).await?;
        Ok(Stage { folder: folder.to_owned(), clock, client, shop, seen, line, speech, daemon, phones })
    }

    /// Where the daemon takes requests.
    pub fn api(&self) -> SocketAddr {
        self.daemon.addresses().http
    }

    /// Where everything listens.
    pub fn addresses(&self) -> String {
        let at = self.daemon.addresses();
        let [customer, representative] = &self.phones;
        format!(
            "callbridge: HTTP {}, SIP {}; customer's phone: SIP {}; representative's phone: SIP {}\n\
             The business's shop: http://{}/, its desk: http://{}/desk ({NAME}, {})",
            at.http,
            at.sip,
            customer.address(),
            representative.address(),
            self.shop.address(),
            self.shop.address(),
            self.shop.password,
        )
    }

    /// Takes everything down.
    pub async fn strike(self) {
        self.shop.close().await;
        self.daemon.stop().await;
        drop(self.phones);
    }
}

/// One that nobody knows.
pub fn password() -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(20).map(char::from).collect()
}

/// The daemon's configuration, also left in the folder: `callbridge cdr --config` reads the demo's records with it. Each demo has
/// a store of its own, because its business has a password of its own, and so that nothing in a named folder is touched.
fn configuration(
    folder: &Path,
    phones: &[Handset; 2],
    password: &str,
    page: Option<SocketAddr>,
) -> Result<Config, DemoError> {
    let [customer, representative] = phones.each_ref().map(Handset::address);
    let (http, admin, sip) = (free_tcp()?, free_tcp()?, free_udp()?);
    let media = even_ports(MEDIA_PORTS)?;
    let (first, last) = (media.first().map_or(0, |(port, _)| *port), media.last().map_or(0, |(port, _)| *port));
    drop(media);
    let hash = hash_password(password).map_err(|error| DemoError::Http(error.to_string()))?.0;
    let store = format!("{}.db", super::fresh_name());
    let direct = page.map(|page| {
        format!(
            "[business.direct]\nallowed_origins = [\"http://{page}\"]\ncentres = {{ sales = \"{REPRESENTATIVE}\" }}\n\
             max_per_number = 60\nmax_per_source = 60\n"
        )
    });
    let direct = direct.unwrap_or_default();
    let text = format!(
        r#"# The configuration of one callbridge demo.
[http]
listen = "{http}"
[admin]
listen = "{admin}"
[sip]
listen = ["udp:{sip}"]
[media]
ports = "{first}-{last}"
[store]
url = "sqlite:{store}"
[call]
drain_seconds = 2
[[switch]]
name = "ssp-of-the-customer"
address = "sip:{customer};transport=udp"
prefixes = ["+1212"]
[[switch]]
name = "ssp-of-the-representative"
address = "sip:{representative};transport=udp"
prefixes = ["+1646"]
[[business]]
id = "{BUSINESS}"
name = "ABC"
password_hash = "{hash}"
{direct}"#
    );
    std::fs::write(folder.join("demo.toml"), &text)?;
    Ok(config::parse_with(&text, "the demo's configuration", folder, BTreeMap::new())
        .map_err(crate::daemon::DaemonError::from)?)
}

fn free_tcp() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn free_udp() -> std::io::Result<SocketAddr> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
