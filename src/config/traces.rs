//! `[traces]`: where calls are sent as traces (OTLP over HTTP). Owns what its keys mean, and that no header is shown; refuses to connect.

use std::fmt;
use std::path::PathBuf;

use super::reader::{At, Reader, Section};
use super::trunk::first_line;
use crate::model::WebhookUrl;

const ENDPOINT: &str = "write the collector's address, such as endpoint = \"http://127.0.0.1:4318/v1/traces\"";
const HEADER: &str = "write one line such as Authorization: Bearer … into that file";
/// Longest name of the service.
const MAX_SERVICE: usize = 100;

/// `[traces]`: a trace for each call that has ended.
#[derive(Clone, PartialEq, Eq)]
pub struct TracesConfig {
    /// Where a collector takes `POST` of OTLP in protobuf.
    pub endpoint: WebhookUrl,
    /// What it calls us.
    pub service: String,
    /// Of so many calls in a hundred.
    pub sample_percent: u8,
    /// A header that every request carries: name and value.
    pub header: Option<(String, String)>,
    /// The authorities that sign the collector's certificate; absent: the system's.
    pub ca: Option<PathBuf>,
}

impl fmt::Debug for TracesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracesConfig").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

pub(super) fn traces(reader: &mut Reader, mut section: Section<'_>) -> Option<TracesConfig> {
    let endpoint = section.read(reader, "endpoint", ENDPOINT, |text| text.parse::<WebhookUrl>());
    let mend = "write a name, such as service = \"callbridge-east\"";
    let service = section.read(reader, "service", mend, |text| match text.trim() {
        name if (1..=MAX_SERVICE).contains(&name.len()) => Ok(name.to_owned()),
        _ => Err("no name of 1 to 100 bytes"),
    });
    let sample_percent = section.integer(reader, "sample_percent", 0..=100).unwrap_or(100);
    let header = header(reader, &mut section);
    let ca = section.path(reader, "ca").map(|at| at.value);
    if section.exists() && !section.has("endpoint") {
        let (place, key) = (section.place(reader), section.key("endpoint"));
        reader.error(&place, &key, "missing", ENDPOINT);
    }
    section.finish(reader);
    let service = service.map_or_else(|| "callbridge".to_owned(), |at| at.value);
    Some(TracesConfig { endpoint: endpoint?.value, service, sample_percent, header, ca })
}

fn header(reader: &mut Reader, section: &mut Section<'_>) -> Option<(String, String)> {
    let At { place, value } = section.path(reader, "header_file")?;
    let problem = match first_line(&value) {
        Ok(line) => match field(&line) {
            Some(header) => return Some(header),
            None => format!("{}: its first line is no header", value.display()),
        },
        Err(problem) => format!("{}: {problem}", value.display()),
    };
    reader.error(&place, &section.key("header_file"), problem, HEADER);
    None
}

/// A field name (RFC 9110 §5.1) and a printable value.
fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let (name, value) = (name.trim(), value.trim());
    let good = !name.is_empty() && name.bytes().all(token);
    (good && !value.is_empty() && value.bytes().all(|b| (b' '..=b'~').contains(&b)))
        .then(|| (name.to_ascii_lowercase(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::parse_with;

    const SWITCH: &str = "[[switch]]\nname = \"a\"\naddress = \"sip:192.0.2.1:5060;transport=udp\"\n";

    fn read(text: &str) -> Result<Option<TracesConfig>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("good"), "Authorization: Bearer s3cret\n").unwrap();
        std::fs::write(folder.path().join("bad"), "s3cret\n").unwrap();
        let parsed = parse_with(&format!("{text}{SWITCH}"), "t", folder.path(), BTreeMap::new());
        parsed.map(|config| config.traces).map_err(|errors| errors.to_string())
    }

    #[test]
    fn nothing_is_traced_unless_a_collector_is_named() {
        assert_eq!(read("").unwrap(), None);
        let told = read("[traces]\nservice = \"x\"\n").unwrap_err();
        assert!(told.contains("traces.endpoint: missing") && told.contains("4318"), "{told}");
    }

    #[test]
    fn a_collector_is_named_with_what_it_wants_to_hear() {
        let text =
            "[traces]\nendpoint = \"http://127.0.0.1:4318/v1/traces\"\nsample_percent = 5\nheader_file = \"good\"\n";
        let traces = read(text).unwrap().unwrap();
        assert_eq!((traces.service.as_str(), traces.sample_percent), ("callbridge", 5));
        assert_eq!(traces.header, Some(("authorization".to_owned(), "Bearer s3cret".to_owned())));
        assert!(!format!("{traces:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_header() {
        let text = "[traces]\nendpoint = \"ftp://127.0.0.1/\"\nsample_percent = 101\nheader_file = \"bad\"\n";
        let told = read(text).unwrap_err();
        for part in ["traces.endpoint", "traces.sample_percent", "traces.header_file", "Authorization: Bearer"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("s3cret"), "{told}");
    }
}
