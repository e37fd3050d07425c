//! `[business.direct]`: how a business takes call requests from its customers' browsers; and lists of networks. Owns what these keys
//! mean; refuses to judge a request.

use std::net::IpAddr;

use ipnet::IpNet;

use super::reader::{At, Reader, Section};
use crate::model::direct::{Centre, Direct, MAX_PAGE_TOKEN_SECONDS, MAX_WORK_BITS, PageKey, WebOrigin};

const ORIGINS: &str = "write the origins of its pages, such as [\"https://shop.example\"]";
const KEYS: &str = "write page_keys = { k1 = \"32 to 128 characters that nobody guesses\" }";
const CENTRES: &str =
    "write centres = { cruise = \"+12125550101,+12125550102#sea,travel\" }: addresses, and # its skills";
const NETWORKS: &str = "write addresses or networks, such as [\"10.0.0.0/8\", \"::1\"]";

pub(super) fn direct(reader: &mut Reader, section: &mut Section<'_>) -> Direct {
    let mut section = section.child(reader, "direct", "write [business.direct] with allowed_origins = [\"https://…\"]");
    let d = Direct::default();
    let here = section.place(reader);
    let mut allowed_origins = Vec::new();
    for At { place, value } in section.texts(reader, "allowed_origins", ORIGINS).unwrap_or_default() {
        match value.parse::<WebOrigin>() {
            Ok(origin) => allowed_origins.push(origin),
            Err(error) => {
                reader.error(&place, &section.key("allowed_origins"), format!("{value:?} is {error}"), ORIGINS);
            }
        }
    }
    let mut page_keys = Vec::new();
    for (id, secret) in section.pairs(reader, "page_keys", KEYS) {
        match PageKey::new(&id.value, &secret.value) {
            Ok(key) => page_keys.push(key),
            Err(error) => reader.error(&id.place, &section.key("page_keys"), error, KEYS),
        }
    }
    let mut centres = Vec::new();
    for (id, text) in section.pairs(reader, "centres", CENTRES) {
        match Centre::parse(&id.value, &text.value) {
            Ok(centre) => centres.push(centre),
            Err(error) => reader.error(&text.place, &section.key("centres"), error, CENTRES),
        }
    }
    let default_centre = section.text(reader, "default_centre", "write the name of one of its centres");
    let page_token_required = section.flag(reader, "page_token_required").unwrap_or(d.page_token_required);
    let work_bits = section.integer(reader, "work_bits", 0..=i64::from(MAX_WORK_BITS)).unwrap_or(d.work_bits);
    let mut get = |key, bounds, default| section.integer(reader, key, bounds).unwrap_or(default);
    let longest = i64::from(MAX_PAGE_TOKEN_SECONDS);
    let direct = Direct {
        allowed_origins,
        page_token_required,
        page_keys,
        page_token_seconds: get("page_token_seconds", 10..=longest, d.page_token_seconds),
        page_token_uses: get("page_token_uses", 1..=1000, d.page_token_uses),
        work_bits,
        max_per_number: get("max_per_number", 0..=1000, d.max_per_number),
        max_per_source: get("max_per_source", 0..=100_000, d.max_per_source),
        max_per_hour: get("max_per_hour", 0..=100_000, d.max_per_hour),
        centres,
        default_centre: default_centre.map(|at| at.value),
    };
    if let Some(problem) = direct.problem() {
        reader.error(&here, &section.key("centres"), problem, "see [business.direct] in config.example.toml");
    }
    section.finish(reader);
    direct
}

/// Addresses and networks.
pub(super) fn networks(reader: &mut Reader, section: &mut Section<'_>, key: &'static str) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for At { place, value } in section.texts(reader, key, NETWORKS).unwrap_or_default() {
        let network = value.parse::<IpNet>().ok().or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from));
        match network {
            Some(network) => networks.push(network.trunc()),
            None => {
                reader.error(&place, &section.key(key), format!("{value:?} is no address and no network"), NETWORKS)
            }
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const LEAST: &str = "[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n[[switch]]\nname = \"ssp-62\"\n\
        address = \"sip:127.0.0.1:5070;transport=udp\"\n[[business]]\nid = \"abc\"\nname = \"ABC\"\npassword_file = \"p\"\n";

    #[test]
    fn an_account_is_closed_until_it_names_an_origin() {
        let config = parse(LEAST, "callbridge.toml").unwrap();
        assert!(!config.businesses[0].direct.is_open());
        let proxies: Vec<String> = config.http.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
        let open = "[business.direct]\nallowed_origins = [\"https://Shop.example\"]\nwork_bits = 18\n\
            page_keys = { k1 = \"0123456789abcdef0123456789abcdef\" }\ncentres = { sales = \"+12125550101#air\" }\n";
        let direct = &parse(&format!("{LEAST}{open}"), "callbridge.toml").unwrap().businesses[0].direct;
        assert!(direct.allows("https://shop.example") && !direct.allows("https://Shop.example"));
        assert_eq!((direct.work_bits, direct.page_keys.len(), direct.centres.len()), (18, 1, 1));
    }

    #[test]
    fn every_error_is_told_with_its_line_and_no_secret() {
        let wrong = "[business.direct]\nallowed_origins = [\"*\", \"https://shop.example/\"]\npage_keys = { k1 = \"secret\" }\n\
            centres = { sales = \"12\" }\nmax_per_number = -1\ncolour = 1\n";
        let errors = parse(&format!("{LEAST}{wrong}"), "callbridge.toml").map(|_| ()).unwrap_err().to_string();
        for part in [
            "callbridge.toml:11: business[1].direct.allowed_origins: \"*\" is not an origin",
            "\"https://shop.example/\" is not an origin",
            "callbridge.toml:12: business[1].direct.page_keys: the secret of a page key is 32",
            "callbridge.toml:13: business[1].direct.centres: \"12\" is not an E.164 number",
            "callbridge.toml:14: business[1].direct.max_per_number",
            "callbridge.toml:15: business[1].direct.colour: unknown key",
        ] {
            assert!(errors.contains(part), "{part} in\n{errors}");
        }
        assert!(!errors.contains("\"secret\""), "{errors}");
        for url in
            ["http://calls.example.com", "https://calls.example.com/v1", "https://a:b@calls.example.com", "calls"]
        {
            let named = LEAST.replacen("[http]\n", &format!("[http]\npublic_url = \"{url}\"\n"), 1);
            let errors = parse(&named, "callbridge.toml").map(|_| ()).unwrap_err().to_string();
            assert!(errors.contains("callbridge.toml:2: http.public_url"), "{errors}");
        }
        let network = LEAST.replace("::1", "everybody");
        let errors = parse(&network, "callbridge.toml").map(|_| ()).unwrap_err().to_string();
        assert!(errors.contains("callbridge.toml:2: http.trusted_proxies: \"everybody\" is no address"), "{errors}");
    }
}
