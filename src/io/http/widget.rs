//! `GET /widget.js`: the button for a business's pages. Owns how its parts (assets/widget) become one small script, and how browsers
//! keep it; refuses to know what the script does.
//!
//! The script is written for people. What only they need is left out once, when the routes are made: `squeeze` relies on how the
//! parts are written (comments on lines of their own, no template within a template, no regular expression after a word).

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;

/// The parts in the order in which they need each other.
const PARTS: [&str; 8] = [
    include_str!("../../../assets/widget/texts.js"),
    include_str!("../../../assets/widget/numbers.js"),
    include_str!("../../../assets/widget/work.js"),
    include_str!("../../../assets/widget/memory.js"),
    include_str!("../../../assets/widget/request.js"),
    include_str!("../../../assets/widget/style.js"),
    include_str!("../../../assets/widget/view.js"),
    include_str!("../../../assets/widget/main.js"),
];
/// The whole script, packed (RFC 1952): `UPDATE_WIDGET=1 cargo test --lib the_packed_script` makes it anew.
const PACKED: &[u8] = include_bytes!("../../../assets/widget/widget.js.gz");
/// An hour without asking; for a day what is known while it is asked for anew.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=3600, stale-while-revalidate=86400");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The route.
pub fn routes() -> Router {
    let script = script();
    let digest = ring::digest::digest(&ring::digest::SHA256, script.as_bytes());
    let tag: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let (script, tag) = (Bytes::from(script), format!("\"{tag}\""));
    let packed_tag = format!("{}-gzip\"", tag.trim_end_matches('"'));
    let answer = move |headers: HeaderMap| {
        let response = match takes_gzip(&headers) {
            true => packed(answer(&headers, &packed_tag, Bytes::from_static(PACKED))),
            false => answer(&headers, &tag, script.clone()),
        };
        async move { response }
    };
    Router::new().route("/widget.js", get(answer))
}

/// Any page may load it, also one that isolates itself or checks what it loads: there is nothing of anybody in it.
fn answer(headers: &HeaderMap, tag: &str, script: Bytes) -> Response {
    let common = [
        (header::ETAG, HeaderValue::from_str(tag).unwrap_or(HeaderValue::from_static("\"\""))),
        (header::CACHE_CONTROL, KEPT),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin")),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    match known(headers, tag) {
        true => (StatusCode::NOT_MODIFIED, common).into_response(),
        false => {
            let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
            (common, [kind], script).into_response()
        }
    }
}

/// Says that what is sent is packed.
fn packed(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// Whether the browser unpacks (RFC 9110 §12.5.3); one that gives it a weight of nothing does not.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(',')).map(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse::<f32>().unwrap_or(0.0);
        (name.trim().to_ascii_lowercase(), weight)
    });
    codings.any(|(name, weight)| name == "gzip" && weight > 0.0)
}

/// Whether the browser has this very script (RFC 9110 §13.1.2, compared weakly).
fn known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// The whole script: its parts in a scope of their own.
fn script() -> String {
    let parts: Vec<String> = PARTS.iter().map(|part| squeeze(part)).collect();
    format!("(()=>{{'use strict';if(window.callbridge)return;\n{}\n}})();\n", parts.join("\n"))
}

/// A part without comments, indentation and the spaces that no word needs. Literals stay as they are, but for the one style sheet.
fn squeeze(part: &str) -> String {
    let lines = part.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let text: Vec<char> = lines.collect::<Vec<_>>().join("\n").chars().collect();
    let at = |index: usize| text.get(index).copied().unwrap_or('\n');
    let mut out = String::with_capacity(text.len());
    let mut index = 0;
    while index < text.len() {
        let before = out.chars().next_back().unwrap_or('\n');
        let end = index + literal(text.get(index..).unwrap_or_default(), &out);
        if end > index {
            let literal: String = text.get(index..end).unwrap_or_default().iter().collect();
            let sheet = out.ends_with("STYLE=");
            out.push_str(&if sheet { squeeze_sheet(&literal) } else { literal });
            index = end;
            continue;
        }
        let (here, after) = (at(index), at(index + 1));
        let needed = match here {
            ' ' if before == after && matches!(after, '+' | '-') => true,
            ' ' => is_word(before) && is_word(after),
            '\n' => !matches!(before, '{' | '(' | '[' | ',' | ';' | '\n'),
            _ => true,
        };
        if needed {
            out.push(here);
        }
        index += 1;
    }
    out
}

/// What a space may not be taken from between: names, numbers, words; and literals beside them.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#' | '\'' | '`' | '"' | '/')
}

/// How many characters the literal or inner comment at the beginning of `text` has; 0 where there is none. `out` is what comes before.
fn literal(text: &[char], out: &str) -> usize {
    let before = out.trim_end().chars().next_back().unwrap_or(';');
    match text {
        [quote @ ('\'' | '"' | '`'), rest @ ..] => 1 + closed(rest, *quote),
        ['/', rest @ ..] if "(,=:[!&|?{};\n".contains(before) && rest.first() != Some(&'*') => {
            let flags = |from: usize| text.iter().skip(from).take_while(|c| c.is_ascii_lowercase()).count();
            let end = 1 + closed(rest, '/');
            end + flags(end)
        }
        _ => 0,
    }
}

/// Up to and with the closing mark. In a regular expression a class may hold the mark.
fn closed(rest: &[char], mark: char) -> usize {
    let (mut escaped, mut class) = (false, false);
    for (index, c) in rest.iter().enumerate() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' if mark == '/' => class = true,
            ']' => class = false,
            c if *c == mark && !class => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The same for a style sheet, whose colons with a space behind them are those of declarations.
fn squeeze_sheet(sheet: &str) -> String {
    let mut text = sheet.lines().collect::<Vec<_>>().join(" ");
    for (long, short) in
        [("; ", ";"), (": ", ":"), (", ", ","), (" {", "{"), ("{ ", "{"), (" }", "}"), ("} ", "}"), (";}", "}")]
    {
        text = text.replace(long, short);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_people_need_is_left_out() {
        let part = "// A comment.\nconst a = (b, c) => {\n  return b + +c - -a;\n};\n\nif (a) b();\n";
        assert_eq!(squeeze(part), "const a=(b,c)=>{return b+ +c- -a;};if(a)b();");
        let part = "try { x in y; } catch (_) {}\nfor (const z of [1, 2]) w ? z : 'q' in v;\n";
        assert_eq!(squeeze(part), "try{x in y;}catch(_){}\nfor(const z of[1,2])w?z:'q' in v;");
    }

    #[test]
    fn literals_stay_as_they_are() {
        for literal in ["'a  b // c'", "\"it's\"", "`{ a } ${b + c} ;`", "/[/ ]  \\/ '/gi", "'\\' ,'", "'…  é'"] {
            let part = format!("x = {literal};\ny( {literal} , z );");
            assert_eq!(squeeze(&part), format!("x={literal};y({literal},z);"));
        }
        assert_eq!(squeeze("a = b / c / d;"), "a=b / c / d;");
        assert_eq!(
            squeeze("const STYLE = `\n  .a, .b { color: red; }\n  .c :focus { top: calc(1px + 2px); }\n`;\n"),
            "const STYLE=` .a,.b{color:red}.c :focus{top:calc(1px + 2px)}`;"
        );
    }

    #[test]
    fn no_part_is_written_in_a_way_that_the_squeezing_does_not_know() {
        for (number, part) in PARTS.iter().enumerate() {
            assert!(part.starts_with("// "), "part {number} says what it owns");
            assert!(part.lines().count() <= 350, "part {number} is long");
            for line in part.lines().filter(|line| !line.trim().starts_with("//")) {
                assert!(!line.contains(" // "), "a comment behind code: {line}");
                assert!(!line.contains("return /"), "a regular expression behind a word: {line}");
                assert!(
                    line.matches('`').count() <= 4 && !line.contains("${`"),
                    "a template within a template: {line}"
                );
            }
        }
        let script = script();
        assert!(!script.contains("\n//") && !script.contains("\n "), "comments or indentation are left");
        assert!(!script.contains("/*"), "a comment that ends on its line");
        for word in ["innerHTML", "eval(", "new Function", "document.write", "http://", ".style."] {
            let only_the_name_of_svg = word == "http://" && script.matches(word).count() == 1;
            assert!(!script.contains(word) || only_the_name_of_svg, "{word} is in the script");
        }
    }

    #[test]
    fn the_packed_script_is_this_script_and_small() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let pipe = |arguments: &[&str], given: Vec<u8>| {
            let mut gzip = Command::new("gzip");
            let mut gzip =
                gzip.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip (Debian)");
            let mut to = gzip.stdin.take().unwrap();
            let writer = std::thread::spawn(move || to.write_all(&given).unwrap());
            let out = gzip.wait_with_output().unwrap().stdout;
            writer.join().unwrap();
            out
        };
        if std::env::var_os("UPDATE_WIDGET").is_some() {
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/widget/widget.js.gz");
            std::fs::write(file, pipe(&["-9", "-n"], script().into_bytes())).unwrap();
            return;
        }
        let unpacked = String::from_utf8(pipe(&["-d", "-c"], PACKED.to_vec())).unwrap();
        assert!(
            unpacked == script(),
            "assets/widget/widget.js.gz is old: UPDATE_WIDGET=1 cargo test --lib the_packed_script"
        );
        assert!(PACKED.len() < 15_000, "{} bytes", PACKED.len());
    }

    #[test]
    fn only_who_unpacks_it_gets_it_packed() {
        let takes = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("deflate, gzip, br, zstd"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("gzipped") && !takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_browser_that_has_it_is_told_so() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            answer(&headers, "\"ab\"", Bytes::from_static(b"x"))
        };
        for value in ["\"ab\"", "W/\"ab\"", "\"x\", \"ab\"", "*"] {
            let answer = with(value);
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{value}");
            assert_eq!(answer.headers()[header::ETAG], "\"ab\"");
        }
        for value in ["\"abc\"", "ab", ""] {
            assert_eq!(with(value).status(), StatusCode::OK, "{value}");
        }
        let fresh = answer(&HeaderMap::new(), "\"ab\"", Bytes::from_static(b"x"));
        assert_eq!(fresh.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(fresh.headers()[&CROSS_ORIGIN_RESOURCE_POLICY], "cross-origin");
    }
}
