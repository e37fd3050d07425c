//! `[webhooks]`: where events of calls may be sent to, and the webhook of a `[[business]]`. Owns what these keys mean, and that no
//! secret is shown; refuses to resolve and to send.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::reader::{At, Reader, Section};
use super::trunk::first_line;
use crate::model::{Webhook, WebhookSecret, WebhookUrl};

const ALLOW: &str = "write networks, such as allow = [\"10.20.0.0/16\", \"2001:db8::/32\"]";
const URL: &str = "write an address that begins with https://, such as url = \"https://example.com/callbridge\"";
const SECRET: &str =
    "make one with: echo whsec_$(openssl rand -base64 32) > abc.whsec, and name it: secret_file = \"abc.whsec\"";

/// `[webhooks]`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhooksConfig {
    /// Networks that webhooks may be in although they are not public.
    pub allow: Vec<IpNet>,
    /// Plain HTTP is sent to any address, not only to those in `allow`.
    pub insecure: bool,
    /// The authorities that sign the certificates of webhooks; absent: the system's.
    pub ca: Option<PathBuf>,
    /// The name server that is asked where webhooks are; absent: that of `[sip]`, else the system's.
    pub resolver: Option<SocketAddr>,
    /// A webhook has so long to answer.
    pub timeout_seconds: u32,
    /// Events that were taken or given up can be listed and sent again for so long.
    pub keep_days: u32,
}

impl Default for WebhooksConfig {
    fn default() -> WebhooksConfig {
        WebhooksConfig {
            allow: Vec::new(),
            insecure: false,
            ca: None,
            resolver: None,
            timeout_seconds: 15,
            keep_days: 7,
        }
    }
}

pub(super) fn webhooks(reader: &mut Reader, mut section: Section<'_>) -> WebhooksConfig {
    let d = WebhooksConfig::default();
    let allow = allow(reader, &mut section);
    let mend = "write the name server's IP address and port, such as resolver = \"127.0.0.1:53\"";
    let resolver = section
        .read(reader, "resolver", mend, |text| text.parse::<SocketAddr>().map_err(|_| "not an IP address with a port"));
    let config = WebhooksConfig {
        allow,
        insecure: section.flag(reader, "insecure").unwrap_or(d.insecure),
        ca: section.path(reader, "ca").map(|at| at.value),
        resolver: resolver.map(|at| at.value),
        timeout_seconds: section.integer(reader, "timeout_seconds", 1..=60).unwrap_or(d.timeout_seconds),
        keep_days: section.integer(reader, "keep_days", 1..=365).unwrap_or(d.keep_days),
    };
    section.finish(reader);
    config
}

fn allow(reader: &mut Reader, section: &mut Section<'_>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for At { place, value } in section.texts(reader, "allow", ALLOW).unwrap_or_default() {
        let single = value.parse::<IpAddr>().map(IpNet::from);
        match value.parse::<IpNet>().or(single) {
            Ok(network) => networks.push(network.trunc()),
            Err(_) => reader.error(&place, &section.key("allow"), format!("{value:?} is no network"), ALLOW),
        }
    }
    networks
}

/// `webhook = { url, secret_file }` of a business.
pub(super) fn webhook(reader: &mut Reader, section: &mut Section<'_>) -> Option<Webhook> {
    let mut section =
        section.child(reader, "webhook", "write webhook = { url = \"https://…\", secret_file = \"abc.whsec\" }");
    let url = section.text(reader, "url", URL).and_then(|At { place, value }| match value.parse::<WebhookUrl>() {
        Ok(url) => Some(url),
        // Not quoted: it may hold a password.
        Err(problem) => {
            reader.error(&place, &section.key("url"), problem, URL);
            None
        }
    });
    let secret = secret(reader, &mut section);
    if section.exists() {
        let place = section.place(reader);
        for (key, mend) in [("url", URL), ("secret_file", SECRET)] {
            if !section.has(key) {
                reader.error(&place, &section.key(key), "missing", mend);
            }
        }
    }
    section.finish(reader);
    Some(Webhook::new(url?, secret?))
}

fn secret(reader: &mut Reader, section: &mut Section<'_>) -> Option<WebhookSecret> {
    let At { place, value } = section.path(reader, "secret_file")?;
    let problem = match first_line(&value) {
        Ok(line) => match line.trim().parse::<WebhookSecret>() {
            Ok(secret) => return Some(secret),
            Err(problem) => format!("{}: its first line is {problem}", value.display()),
        },
        Err(problem) => format!("{}: {problem}", value.display()),
    };
    reader.error(&place, &section.key("secret_file"), problem, SECRET);
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::parse_with;

    const SWITCH: &str = "[[switch]]\nname = \"a\"\naddress = \"sip:192.0.2.1:5060;transport=udp\"\n";
    const BUSINESS: &str = "[[business]]\nid = \"abc\"\nname = \"ABC\"\npassword_file = \"p\"\n";
    const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn read(text: &str) -> Result<crate::config::Config, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("abc.whsec"), format!("{WHSEC}\n")).unwrap();
        std::fs::write(folder.path().join("bad.whsec"), "hunter2\n").unwrap();
        let parsed = parse_with(&format!("{text}{SWITCH}"), "t", folder.path(), BTreeMap::new());
        parsed.map_err(|errors| errors.to_string())
    }

    #[test]
    fn networks_and_times_are_read_and_everything_has_a_default() {
        assert_eq!(read("").unwrap().webhooks, WebhooksConfig::default());
        let text = "[webhooks]\nallow = [\"127.0.0.0/8\", \"::1\", \"10.1.2.3/16\"]\ninsecure = true\ntimeout_seconds = 3\nkeep_days = 1\n";
        let config = read(text).unwrap().webhooks;
        let allow: Vec<String> = config.allow.iter().map(IpNet::to_string).collect();
        assert_eq!(allow, ["127.0.0.0/8", "::1/128", "10.1.0.0/16"]);
        assert_eq!((config.insecure, config.timeout_seconds, config.keep_days), (true, 3, 1));
        let told = read("[webhooks]\nallow = [\"everywhere\"]\ntimeout_seconds = 0\n").unwrap_err();
        assert!(told.contains("\"everywhere\" is no network") && told.contains("timeout_seconds"), "{told}");
    }

    #[test]
    fn a_business_has_a_webhook_whose_secret_is_in_a_file_and_is_not_shown() {
        let webhook = "webhook = { url = \"https://example.com/h\", secret_file = \"abc.whsec\" }\n";
        let config = read(&format!("{BUSINESS}{webhook}")).unwrap();
        let webhook = config.businesses[0].webhook.clone().unwrap();
        assert_eq!(webhook.url.as_str(), "https://example.com/h");
        assert!(!format!("{config:?}").contains("MfKQ"));
        assert_eq!(read(BUSINESS).unwrap().businesses[0].webhook, None);
    }

    #[test]
    fn what_is_wrong_with_a_webhook_is_told_without_its_secrets() {
        let webhook = "webhook = { url = \"https://me:hunter2@example.com/\", secret_file = \"bad.whsec\" }\n";
        let told = read(&format!("{BUSINESS}{webhook}")).unwrap_err();
        assert!(told.contains("webhook.url") && told.contains("webhook.secret_file"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
        let told = read(&format!("{BUSINESS}webhook = {{ url = \"https://example.com/\" }}\n")).unwrap_err();
        assert!(told.contains("webhook.secret_file: missing") && told.contains("openssl rand"), "{told}");
    }
}
