//! Where the switches are whose address is a name: looked up, kept fresh before it expires, told to the engine when it changes.
//! Nobody waits for it. Owns the asking and its times; which records mean what is `locate`'s.

mod locate;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolverConfig, ServerOrderingStrategy,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::task::JoinHandle;

use crate::config::{Config, SipConfig, SwitchConfig};
use crate::io::switch_metrics;
use crate::model::{SwitchAddress, Target};
use locate::{Dns, Naptr, Records, Srv, Unanswered, locate};

/// A shorter TTL is taken for this: a name server is no place to keep busy.
const SHORTEST: Duration = Duration::from_secs(5);
/// A longer one is taken for this: operators move switches.
const LONGEST: Duration = Duration::from_secs(3600);
/// After a failure the next look comes so soon, then twice as late each time up to the bound below.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Told of a switch's places whenever they change.
pub type Found = Arc<dyn Fn(String, Vec<Target>) + Send + Sync>;

/// The look-ups under way. They end with it.
pub struct Resolver {
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Resolver {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Resolver {
    /// Begins to look for every switch whose address is a name. Places of a family that we have no address of are left out:
    /// they could not be reached.
    pub fn start(config: &Config, found: &Found) -> Resolver {
        let named: Vec<&SwitchConfig> = config.switches.iter().filter(|switch| switch.address.is_name()).collect();
        if named.is_empty() {
            return Resolver { tasks: Vec::new() };
        }
        let asker = match asker(&config.sip) {
            Ok(asker) => asker,
            Err(error) => {
                tracing::error!(%error, "no name server is known: switches with a name cannot be found");
                return Resolver { tasks: Vec::new() };
            }
        };
        let watch = |switch: &&SwitchConfig| {
            let watched = Watched {
                name: switch.name.clone(),
                address: switch.address.clone(),
                tls_name: switch.tls_name.clone(),
                dns: Asker(asker.clone()),
                found: Arc::clone(found),
            };
            tokio::spawn(watched.run())
        };
        Resolver { tasks: named.iter().map(watch).collect() }
    }
}

struct Watched {
    name: String,
    address: SwitchAddress,
    tls_name: Option<String>,
    dns: Asker,
    found: Found,
}

impl Watched {
    async fn run(self) {
        let mut known: Option<Vec<Target>> = None;
        let mut failures: u32 = 0;
        loop {
            let outcome = locate(&self.dns, &self.address, self.tls_name.as_deref()).await;
            let pause = match outcome {
                Ok((targets, ttl)) if !targets.is_empty() => {
                    if failures > 0 {
                        tracing::info!(switch = %self.name, "the switch's name is found again");
                    }
                    failures = 0;
                    if known.as_ref() != Some(&targets) {
                        tracing::info!(switch = %self.name, address = %self.address, places = targets.len(), "switch located");
                        (self.found)(self.name.clone(), targets.clone());
                        known = Some(targets);
                    }
                    // Before it expires, so that there is always an answer.
                    ttl.clamp(SHORTEST, LONGEST).mul_f64(0.8)
                }
                other => {
                    let why = other.map_or_else(|error| error.to_string(), |_| "the name leads nowhere".to_owned());
                    self.say_failed(failures, &why, known.is_some());
                    failures = failures.saturating_add(1);
                    FIRST_RETRY.saturating_mul(1 << failures.min(6)).min(LAST_RETRY)
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Said once for a row of failures; each is counted.
    fn say_failed(&self, failures: u32, why: &str, known: bool) {
        switch_metrics::lookup_failed(&self.name);
        if failures == 0 {
            let kept = if known { "its last known places are kept" } else { "it takes no calls until it is found" };
            tracing::warn!(switch = %self.name, address = %self.address, why, "the switch's name cannot be looked up; {kept}");
        }
    }
}

/// Nothing is cached here: the pauses are the cache.
fn asker(sip: &SipConfig) -> Result<TokioResolver, NetError> {
    let mut builder = builder(sip.resolver)?;
    let options = builder.options_mut();
    options.cache_size = 0;
    let (v4, v6) = (sip.listen.iter().any(|at| at.1.is_ipv4()), sip.listen.iter().any(|at| at.1.is_ipv6()));
    options.ip_strategy = match (v4, v6) {
        (true, true) => LookupIpStrategy::Ipv4AndIpv6,
        (false, true) => LookupIpStrategy::Ipv6Only,
        (_, false) => LookupIpStrategy::Ipv4Only,
    };
    builder.build()
}

/// For names whose addresses are wanted now and then, kept as long as the name server says: of this server, else of the system's.
pub fn for_names(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = builder(server)?;
    builder.options_mut().cache_size = 256;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

fn builder(server: Option<SocketAddr>) -> Result<ResolverBuilder<TokioRuntimeProvider>, NetError> {
    let mut builder = match server {
        Some(server) => {
            let connection = |protocol| {
                let mut connection = ConnectionConfig::new(protocol);
                connection.port = server.port();
                connection
            };
            let connections = vec![connection(ProtocolConfig::Udp), connection(ProtocolConfig::Tcp)];
            let server = NameServerConfig::new(server.ip(), true, connections);
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
        None => TokioResolver::builder_tokio()?,
    };
    let options = builder.options_mut();
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    Ok(builder)
}

struct Asker(TokioResolver);

impl Asker {
    async fn records<T>(&self, name: &str, kind: RecordType, read: impl Fn(&RData) -> Option<T>) -> Records<T> {
        match self.0.lookup(absolute(name), kind).await {
            Ok(lookup) => {
                let ttl = lookup.valid_until().saturating_duration_since(Instant::now());
                Ok((lookup.answers().iter().filter_map(|record| read(&record.data)).collect(), ttl))
            }
            Err(error) => nothing_or(error),
        }
    }
}

impl Dns for Asker {
    async fn naptr(&self, name: &str) -> Records<Naptr> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let read = |data: &RData| match data {
            RData::NAPTR(naptr) if naptr.flags.eq_ignore_ascii_case(b"s") => Some(Naptr {
                rank: (naptr.order, naptr.preference),
                service: text(&naptr.services),
                replacement: naptr.replacement.to_utf8(),
            }),
            _ => None,
        };
        self.records(name, RecordType::NAPTR, read).await
    }

    async fn srv(&self, name: &str) -> Records<Srv> {
        let read = |data: &RData| match data {
            RData::SRV(srv) => {
                Some(Srv { priority: srv.priority, weight: srv.weight, port: srv.port, host: srv.target.to_utf8() })
            }
            _ => None,
        };
        self.records(name, RecordType::SRV, read).await
    }

    async fn addresses(&self, name: &str) -> Records<IpAddr> {
        match self.0.lookup_ip(absolute(name)).await {
            Ok(lookup) => {
                let ttl = lookup.valid_until().saturating_duration_since(Instant::now());
                Ok((lookup.iter().collect(), ttl))
            }
            Err(error) => nothing_or(error),
        }
    }
}

/// Names of configuration and of DNS are whole: no search list is tried on them.
fn absolute(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

/// "No such record" is an answer.
fn nothing_or<T>(error: NetError) -> Records<T> {
    if error.is_no_records_found() { Ok((Vec::new(), Duration::MAX)) } else { Err(Unanswered(error.to_string())) }
}
