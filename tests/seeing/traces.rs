//! Calls as OpenTelemetry traces: a collector of the test's own reads what the daemon posts and finds the call, its talk and its legs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::hep::talk;
use crate::support::daemon::Setup;
use crate::support::story::Story;
use crate::support::wait::PATIENCE;

/// One request: its head and its body.
type Posted = (String, Vec<u8>);

/// A collector that answers with these statuses, one after the other, and then with 200.
fn collector(statuses: &'static [u16]) -> (String, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (posted, received) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter().copied();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            while let Some(request) = read(&mut reader) {
                let status = statuses.next().unwrap_or(200);
                let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
                if posted.send(request).is_err() || reader.get_mut().write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        }
    });
    (format!("http://{address}/v1/traces"), received)
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Posted> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.expect("a length")];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn story(endpoint: &str, keys: &str) -> Story {
    Story::with(Setup { more: format!("[traces]\nendpoint = \"{endpoint}\"\n{keys}"), ..Setup::default() })
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    request.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans).collect()
}

fn text(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|a| a.key == key)?.value.clone()?.value?;
    match value {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

#[test]
fn a_call_becomes_a_trace_with_a_span_for_each_leg_and_no_number_in_it() {
    let (endpoint, received) = collector(&[]);
    let story = story(&endpoint, "service = \"callbridge-east\"\n");
    let (call, _) = talk(&story);
    let (head, body) = received.recv_timeout(PATIENCE).expect("a trace");
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("content-type: application/x-protobuf"), "{head}");
    assert!(String::from_utf8_lossy(&body).contains("callbridge-east"));
    let spans = spans(&body);
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["call", "talk", "customer leg", "representative leg"]);
    let root = &spans[0];
    assert!(root.parent_span_id.is_empty());
    assert_eq!(text(root, "callbridge.outcome").as_deref(), Some("completed"));
    let trace: String = root.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(trace, call.replace('-', ""), "who knows the call knows the trace");
    for child in &spans[1..] {
        assert_eq!((&child.trace_id, &child.parent_span_id), (&root.trace_id, &root.span_id));
        assert!(root.start_time_unix_nano <= child.start_time_unix_nano, "{child:?}");
        assert!(child.end_time_unix_nano <= root.end_time_unix_nano, "{child:?}");
    }
    assert_eq!(text(&spans[2], "sip.status_code").as_deref(), Some("200"));
    assert_eq!(text(&spans[2], "callbridge.codec").as_deref(), Some("PCMU"));
    let answered: Vec<&str> = spans[3].events.iter().map(|event| event.name.as_str()).collect();
    assert!(answered.contains(&"answered"), "{answered:?}");
    for number in ["12125550100", "2125550", "+1212"] {
        assert!(!String::from_utf8_lossy(&body).contains(number), "a number left the equipment");
    }
}

#[test]
fn a_collector_that_is_busy_is_asked_again_with_the_same_spans() {
    let (endpoint, received) = collector(&[503]);
    let story = story(&endpoint, "");
    talk(&story);
    let first = received.recv_timeout(PATIENCE).expect("a try");
    let second = received.recv_timeout(PATIENCE).expect("another");
    assert_eq!(first.1, second.1);
}

#[test]
fn a_collector_that_is_not_there_costs_traces_and_no_call() {
    let story = story("http://127.0.0.1:9/v1/traces", "");
    talk(&story);
    assert_eq!(story.daemon.metric("callbridge_calls_total", "outcome=\"completed\""), 1.0);
}
