//! The command line as a newcomer uses it: the program is run, and its words and exit codes are judged.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use callbridge::clock::Wall;
use callbridge::io::store::{Archive, SqliteArchive, SqliteStore, Store, WriterBounds};

const LEAST: &str = "[[switch]]\nname = \"ssp-62\"\naddress = \"sip:127.0.0.1:5070;transport=udp\"\nprefixes = []\n";

/// A folder with a configuration in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new(text: &str) -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("callbridge.toml"), text).expect("the configuration");
        Place(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs `callbridge` with these words, then `--config FILE`.
    fn run(&self, words: &str, input: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbridge"));
        command.args(words.split_whitespace()).arg("--config").arg(self.path().join("callbridge.toml"));
        run(&mut command, input)
    }

    fn store(&self) -> SqliteArchive {
        SqliteArchive::open(&self.path().join("callbridge.db")).expect("the store")
    }
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(command: &mut Command, input: &str) -> Ran {
    command.env_remove("CALLBRIDGE_CONFIG");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("callbridge runs");
    // Who does not want the input may be gone already.
    let _gone = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let Output { status, stdout, stderr } = child.wait_with_output().expect("its end");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

#[track_caller]
fn good(ran: Ran) -> String {
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    ran.out
}

#[test]
fn check_says_what_would_be_done() {
    let place = Place::new(LEAST);
    let out = good(place.run("check", ""));
    for part in
        ["http://127.0.0.1:8080", "udp:127.0.0.1:5060", "ports 20000-29999", "ssp-62 at sip:127.0.0.1:5070", "good"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    let left: Vec<_> = std::fs::read_dir(place.path()).expect("the folder").collect();
    assert_eq!(left.len(), 1, "check writes nothing");
}

#[test]
fn a_wrong_configuration_names_line_and_mend_and_ends_with_2() {
    let place = Place::new(&format!("[http]\nlisten = \"localhost\"\nport = 1\n{LEAST}"));
    for command in ["check", "serve", "business list", "cdr"] {
        let ran = place.run(command, "");
        assert_eq!(ran.code, Some(2), "{command}: {}", ran.err);
        assert!(ran.err.contains("callbridge.toml:2: http.listen:"), "{}", ran.err);
        assert!(ran.err.contains("callbridge.toml:3: http.port: unknown key"), "{}", ran.err);
        assert_eq!(ran.err.matches("mend: ").count(), 2, "{}", ran.err);
    }
}

#[test]
fn a_variable_overrides_the_file() {
    let place = Place::new(LEAST);
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbridge"));
    command.args(["check", "--config"]).arg(place.path().join("callbridge.toml"));
    let out = good(run(command.env("CALLBRIDGE_HTTP_LISTEN", "127.0.0.1:8089"), ""));
    assert!(out.contains("http://127.0.0.1:8089"), "{out}");
}

#[test]
fn the_limits_of_a_business_are_given_shown_changed_and_taken_back() {
    let place = Place::new(LEAST);
    let add = "business add abc --name ABC --password-stdin --max-calls-per-day 5 --max-spend-per-day-micros 1000 \
               --at-ceiling hang_up --allow-destinations +1,+4420 --quiet-hours 21:00-08:00 --quiet-calls defer --quiet-zone Europe/Berlin";
    good(place.run(add, "correct horse\n"));
    let shown = || serde_json::from_str::<serde_json::Value>(&good(place.run("business show abc", ""))).expect("JSON");
    let first = shown();
    assert_eq!((&first["limits"]["max_calls_per_day"], &first["limits"]["at_ceiling"]), (&5.into(), &"hang_up".into()));
    assert_eq!(first["destinations"]["allow"], serde_json::json!(["+1", "+4420"]));
    assert_eq!(first["destinations"]["deny_kinds"], serde_json::json!(["premium", "satellite"]));
    let quiet = serde_json::json!({ "from": "21:00", "to": "08:00", "calls": "defer", "zone": "Europe/Berlin" });
    assert_eq!(first["quiet_hours"], quiet);
    good(place.run("business change abc --max-calls-per-day none --deny-kinds none --duplicates allow", ""));
    let second = shown();
    assert_eq!(second["limits"]["max_calls_per_day"], serde_json::Value::Null);
    assert_eq!(second["limits"]["max_spend_per_day_micros"], 1000);
    assert_eq!(second["destinations"]["deny_kinds"], serde_json::json!([]));
    assert_eq!((&second["limits"]["duplicates"], &second["quiet_hours"]), (&"allow".into(), &quiet));
    good(place.run("business change abc --quiet-hours none", ""));
    assert_eq!(shown()["quiet_hours"], serde_json::Value::Null);
    for wrong in ["--allow-destinations 44", "--quiet-hours 21:00", "--quiet-zone Nowhere", "--deny-kinds cheap"] {
        assert_eq!(place.run(&format!("business change abc {wrong}"), "").code, Some(2), "{wrong}");
    }
}

#[test]
fn how_often_a_business_tries_again_is_given_shown_changed_and_taken_back() {
    let place = Place::new(LEAST);
    let add = "business add abc --name ABC --password-stdin --expires-after 900 --max-tries 3 --retry-busy 60,300 --retry-no-answer 900";
    good(place.run(add, "correct horse\n"));
    let shown = || serde_json::from_str::<serde_json::Value>(&good(place.run("business show abc", ""))).expect("JSON");
    let plan = |busy: &[u32]| serde_json::json!({ "max_tries": 3, "busy_seconds": busy, "no_answer_seconds": [900], "machine_seconds": [] });
    let first = serde_json::json!({ "expires_after_seconds": 900, "retry": plan(&[60, 300]) });
    assert_eq!(shown()["contact"], first);
    good(place.run("business change abc --retry-busy none --expires-after none", ""));
    assert_eq!(shown()["contact"], serde_json::json!({ "expires_after_seconds": null, "retry": plan(&[]) }));
    for wrong in ["--max-tries 11", "--retry-busy 0", "--retry-machine soon", "--expires-after 0"] {
        assert_eq!(place.run(&format!("business change abc {wrong}"), "").code, Some(2), "{wrong}");
    }
}

#[test]
fn a_business_is_added_shown_changed_disabled_and_given_a_new_password() {
    let place = Place::new(LEAST);
    let add = "business add abc --name ABC --password-stdin --max-concurrent 7 --caller-id +12125550199 \
               --customer-per-minute-micros 20000 --increment-seconds 6 --customer-gate --representative-gate whisper --machine hang_up";
    assert_eq!(good(place.run(add, "correct horse\n")), "business abc (ABC) added\n");
    assert_eq!(good(place.run("business list", "")), "abc\tenabled\tABC\n");
    let shown: serde_json::Value = serde_json::from_str(&good(place.run("business show abc", ""))).expect("JSON");
    assert_eq!(shown["limits"]["max_concurrent"], 7);
    assert_eq!(shown["tariff"]["increment_seconds"], 6);
    assert_eq!(shown["caller_ids"][0], "+12125550199");
    assert_eq!(
        shown["gates"],
        serde_json::json!({ "customer": true, "representative": "whisper", "machine": "hang_up" })
    );
    assert!(!shown.to_string().contains("argon2"), "the password's hash is not shown");

    let id = "abc".parse().expect("an identifier");
    let first = place.store().business(&id).expect("the store").expect("abc").password_hash;
    assert!(first.0.starts_with("$argon2id$"));
    good(place.run("business change abc --max-concurrent 9", ""));
    good(place.run("business set-password abc --password-stdin", "battery staple\n"));
    good(place.run("business disable abc", ""));
    assert_eq!(good(place.run("business list", "")), "abc\tdisabled\tABC\n");
    let business = place.store().business(&id).expect("the store").expect("abc");
    assert_eq!((business.limits.max_concurrent, business.tariff.increment_seconds), (9, 6));
    assert_ne!(business.password_hash, first);
    good(place.run("business enable abc", ""));
    assert!(place.store().business(&id).expect("the store").expect("abc").enabled);
}

#[test]
fn a_rotated_password_leaves_the_former_one_until_its_time_and_the_trail_says_who() {
    let place = Place::new(LEAST);
    good(place.run("business add abc --name ABC --password-stdin --source 192.0.2.0/24", "correct horse\n"));
    let first = place.store().business(&"abc".parse().expect("abc")).expect("the store").expect("abc").password_hash;
    let said = good(place.run("business rotate-password abc --password-stdin --overlap 2h", "battery staple\n"));
    assert!(said.contains("the former one holds until"), "{said}");
    let business = place.store().business(&"abc".parse().expect("abc")).expect("the store").expect("abc");
    assert_eq!(business.former_password.as_ref().expect("the former").hash, first);
    let shown: serde_json::Value = serde_json::from_str(&good(place.run("business show abc", ""))).expect("JSON");
    assert!(shown["former_password_until"].is_string() && shown["sources"][0] == "192.0.2.0/24", "{shown}");
    good(place.run("business change abc --any-source --certificate dns:calls.example.com", ""));
    good(place.run("business set-password abc --password-stdin", "a third one\n"));
    let business = place.store().business(&"abc".parse().expect("abc")).expect("the store").expect("abc");
    assert!(business.former_password.is_none() && business.sources.is_empty() && business.certificates.len() == 1);

    let trail = good(place.run("audit --business abc --format jsonl", ""));
    let entries: Vec<serde_json::Value> =
        trail.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect();
    let actions: Vec<&str> = entries.iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["added", "password_rotated", "changed", "password_set"]);
    assert_eq!(entries[0]["actor"]["kind"], "command_line");
    assert!(entries[2].to_string().contains("dns:calls.example.com"), "{trail}");
    for secret in ["argon2", "correct horse", "battery", "third"] {
        assert!(!trail.contains(secret), "{trail}");
    }
    let text = good(place.run("audit --from 2020-01-01T00:00:00Z", ""));
    assert!(
        text.lines().count() == 4 && text.contains("abc password_set ") && text.contains(", password (a secret)"),
        "{text}"
    );
    assert_eq!(good(place.run("audit --to 2020-01-01T00:00:00Z", "")), "");
    for wrong in ["--overlap 31d", "--overlap soon"] {
        let ran = place.run(&format!("business rotate-password abc --password-stdin {wrong}"), "x\n");
        assert_eq!(ran.code, Some(2), "{}", ran.err);
    }
}

#[test]
fn what_cannot_be_done_is_refused_with_1_and_a_mend() {
    let place = Place::new(LEAST);
    let ran = place.run("cdr", "");
    assert_eq!(ran.code, Some(1), "no store yet: {}", ran.err);
    good(place.run("business add abc --name ABC --password-stdin", "correct horse"));
    for (words, part) in [
        ("business add abc --name ABC --password-stdin", "already"),
        ("business add xyz --name XYZ --password-stdin --spoken-name /nowhere.wav", "/nowhere.wav"),
        ("business show xyz", "no business xyz"),
        ("business disable xyz", "no business xyz"),
    ] {
        let ran = place.run(words, "secret words\n");
        assert_eq!(ran.code, Some(1), "{words}: {}", ran.err);
        assert!(ran.err.contains(part), "{words}: {}", ran.err);
    }
    let ran = place.run("business add xyz --name XYZ --password-stdin", "");
    assert!(ran.code == Some(1) && ran.err.contains("the password is empty"), "{}", ran.err);
    assert!(place.store().business(&"xyz".parse().expect("an identifier")).expect("the store").is_none());
}

#[test]
fn wrong_arguments_end_with_2_and_usage() {
    let place = Place::new(LEAST);
    for words in [
        "business add abc --name ABC",
        "business add a/b --name X --password-stdin",
        "cdr --from yesterday",
        "cdr --format xml",
        "dance",
        "serve --confg x",
    ] {
        let ran = place.run(words, "");
        assert_eq!(ran.code, Some(2), "{words}: {}", ran.err);
        assert!(ran.err.contains("--help"), "{words}: {}", ran.err);
    }
}

#[test]
fn help_names_every_command_of_the_contract() {
    let help = good(run(Command::new(env!("CARGO_BIN_EXE_callbridge")).arg("--help"), ""));
    for command in ["serve", "check", "demo", "business", "call", "cdr", "bench"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {help}");
    }
    let business = good(run(Command::new(env!("CARGO_BIN_EXE_callbridge")).args(["business", "--help"]), ""));
    for command in ["add", "list", "show", "disable", "enable", "set-password"] {
        assert!(business.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {business}");
    }
}

#[test]
fn a_second_daemon_on_one_store_is_told_why_it_may_not() {
    let place = Place::new(&format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n{LEAST}"
    ));
    let path = place.path().join("callbridge.db");
    let first = SqliteStore::open(&path, WriterBounds::default(), Box::new(|_, _| {})).expect("the first");
    let ran = place.run("serve", "");
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("another callbridge serves from the store"), "{}", ran.err);
    drop(first);
}

/// A store with three ended calls of two businesses.
fn with_records() -> Place {
    let place = Place::new(LEAST);
    let (tell, told) = std::sync::mpsc::channel();
    let stored = Box::new(move |_, result: Result<(), _>| tell.send(result).unwrap_or_default());
    let path = place.path().join("callbridge.db");
    let store = SqliteStore::open(&path, WriterBounds::default(), stored).expect("the store");
    for (number, business) in [(0, "abc"), (1, "xyz"), (2, "abc")] {
        store.submit(callbridge::engine::api::StoreToken(0), ended(number, business)).expect("room");
        told.recv().expect("an answer").expect("durable");
    }
    place
}

#[test]
fn records_are_printed_as_json_lines_and_as_csv() {
    let place = with_records();
    let jsonl = good(place.run("cdr --business abc", ""));
    let records: Vec<serde_json::Value> =
        jsonl.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    assert_eq!(records.len(), 2);
    assert_eq!(records[1]["outcome"], "customer_busy");
    assert_eq!(records[1]["price_micros"], 0);
    let csv = good(place.run("cdr --format csv --from 2023-11-15", ""));
    assert!(csv.starts_with("call_id,business_id,reference,customer,representative,outcome,created_at,"), "{csv}");
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let attempts = good(place.run("cdr --attempts --to 2023-11-15", ""));
    assert_eq!(attempts.lines().count(), 1, "{attempts}");
    assert!(attempts.contains("\"role\":\"customer\""), "{attempts}");
}

#[test]
fn an_invoice_is_the_sum_of_a_business_s_records_of_the_period() {
    let place = with_records();
    good(place.run("business add abc --name ABC --password-stdin", "open sesame\n"));
    let json = good(place.run("bill --business abc --month 2023-11", ""));
    let invoice: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&invoice["name"], &invoice["totals"][0]["calls"]), (&"ABC".into(), &2.into()), "{json}");
    assert_eq!(invoice["lines"][0]["day"], "2023-11-14");
    let csv = good(place.run("bill --business abc --from 2023-11-15 --to 2023-12-01 --format csv", ""));
    assert_eq!(csv.lines().last(), Some(",total,USD,1,0,0,0,0,0,0,0,0,0,0"), "{csv}");
    let page = good(place.run("bill --business abc --month 2023-11 --format html", ""));
    assert!(page.contains("<h1>Invoice of ABC</h1>") && page.contains("0.00 USD"), "{page}");
    let nobody = place.run("bill --business xyz --month 2023-11", "");
    assert_eq!(nobody.code, Some(1), "{}", nobody.err);
}

const RETAIL: &str = "[[tariff]]\nname = \"retail\"\nincrement_seconds = 6\n\
    [[tariff.rate]]\nprefix = \"\"\nper_minute_micros = 60000\nsetup_micros = 500\n";

/// Two calls of a minute to New York and to London, a day after the other, rated by `RETAIL` through the account's name of it.
fn with_talks() -> Place {
    with_calls((0..2).map(|number| talked(number, if number == 0 { "+12125550100" } else { "+442079460000" })))
}

fn with_calls(calls: impl Iterator<Item = callbridge::engine::api::StoreOp>) -> Place {
    let place = Place::new(&format!("{LEAST}{RETAIL}"));
    good(place.run("business add abc --name ABC --password-stdin --tariff retail", "open sesame\n"));
    let (tell, told) = std::sync::mpsc::channel();
    let stored = Box::new(move |_, result: Result<(), _>| tell.send(result).unwrap_or_default());
    let path = place.path().join("callbridge.db");
    let store = SqliteStore::open(&path, WriterBounds::default(), stored).expect("the store");
    // As many at once as the queue has room for: one commit for many.
    let (mut sent, mut heard) = (0, 0);
    for call in calls {
        if sent - heard == 256 {
            told.recv().expect("an answer").expect("durable");
            heard += 1;
        }
        store.submit(callbridge::engine::api::StoreToken(0), call).expect("room");
        sent += 1;
    }
    (heard..sent).for_each(|_| told.recv().expect("an answer").expect("durable"));
    place
}

#[test]
fn a_rerating_that_is_killed_between_its_batches_is_gone_on_with_and_comes_to_the_same_sums() {
    const CALLS: i64 = 2_600;
    // All within one month: 2023-11-14 and the next days, a minute each.
    let call = |number: i64| match talked(0, "+442079460000") {
        callbridge::engine::api::StoreOp::Finish { mut record, mut attempts } => {
            record.created_at = Wall(record.created_at.0 + number * 60_000);
            record.call_id = callbridge::model::CallId::new(record.created_at, [7; 10]);
            let leg = attempts.first_mut().expect("the customer");
            leg.call_id = record.call_id;
            leg.answered_at = Some(record.created_at);
            leg.ended_at = record.created_at + std::time::Duration::from_secs(60);
            callbridge::engine::api::StoreOp::Finish { record, attempts }
        }
        other => other,
    };
    let place = with_calls((0..CALLS).map(call));
    rewrite(&place, &format!("{RETAIL}[[tariff.rate]]\nprefix = \"+44\"\nper_minute_micros = 30000\n"));
    let adjusted = || place.store().adjusted(0, Wall(0)).expect("the store").1;
    let mut killed = 0;
    while adjusted() < CALLS {
        let before = adjusted();
        let mut child = Command::new(env!("CARGO_BIN_EXE_callbridge"))
            .args(["rerate", "--apply", "--config"])
            .arg(place.path().join("callbridge.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("callbridge runs");
        // As soon as one more batch is durable: the next one is under way.
        let ended = loop {
            if child.try_wait().expect("its state").is_some() {
                break true;
            }
            if adjusted() > before {
                break false;
            }
            std::thread::yield_now();
        };
        if !ended {
            child.kill().expect("kill -9");
            child.wait().expect("its end");
            killed += 1;
        }
    }
    assert!(killed >= 2, "it was killed {killed} times");
    let ran = place.run("rerate --apply", "");
    assert!(ran.code == Some(0) && ran.err.contains("0 calls have another price now"), "{}", ran.err);
    assert_eq!(adjusted(), CALLS, "each call once, whatever was cut short");
    let bill = good(place.run("bill --business abc --month 2023-11", ""));
    let totals = serde_json::from_str::<serde_json::Value>(&bill).expect("JSON")["totals"][0].clone();
    assert_eq!((&totals["calls"], &totals["price_micros"]), (&CALLS.into(), &(CALLS * 30_000).into()));
    assert_eq!(totals["adjusted_micros"], CALLS * -30_500);
}

fn talked(number: i64, customer: &str) -> callbridge::engine::api::StoreOp {
    let callbridge::engine::api::StoreOp::Finish { mut record, mut attempts } = ended(number, "abc") else {
        panic!("a record")
    };
    record.customer = callbridge::model::Endpoint::parse(customer).expect("a number");
    let leg = attempts.first_mut().expect("the customer");
    leg.address = record.customer.clone();
    leg.answered_at = Some(record.created_at);
    leg.ended_at = record.created_at + std::time::Duration::from_secs(60);
    leg.billable_seconds = 60;
    leg.price_micros = Some(callbridge::model::Money(60_500));
    leg.rated = serde_json::from_value(serde_json::json!({
        "tariff": "retail", "version": "0123456789abcdef", "prefix": "", "per_minute_micros": 60000, "setup_micros": 500,
        "increment_seconds": 6, "minimum_seconds": 0, "currency": "USD",
    }))
    .expect("a rate");
    (record.customer_billable_seconds, record.price_micros) = (60, callbridge::model::Money(60_500));
    callbridge::engine::api::StoreOp::Finish { record, attempts }
}

/// The configuration with another tariff.
fn rewrite(place: &Place, tariff: &str) {
    std::fs::write(place.path().join("callbridge.toml"), format!("{LEAST}{tariff}")).expect("the configuration");
}

#[test]
fn an_account_has_no_tariff_but_one_of_the_file() {
    let place = Place::new(&format!("{LEAST}{RETAIL}"));
    good(place.run("business add abc --name ABC --password-stdin", "open sesame\n"));
    let refused = place.run("business change abc --tariff wholesale", "");
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("no tariff \"wholesale\"; it has retail"), "{}", refused.err);
    good(place.run("business change abc --tariff retail", ""));
    let shown = || serde_json::from_str::<serde_json::Value>(&good(place.run("business show abc", ""))).expect("JSON");
    assert_eq!(shown()["tariff_name"], "retail");
    good(place.run("business change abc --tariff=", ""));
    assert_eq!(shown()["tariff_name"], serde_json::Value::Null);
    assert!(good(place.run("check", "")).contains("tariff           retail, 1 rates in USD, version "));
}

#[test]
fn without_a_change_of_the_tariff_rating_anew_changes_nothing() {
    let place = with_talks();
    let ran = place.run("rerate", "");
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
    assert!(ran.err.contains("2 calls looked at, 0 would have another price"), "{}", ran.err);
    let ran = place.run("rerate --apply", "");
    assert!(ran.code == Some(0) && ran.err.contains("0 calls have another price now"), "{}", ran.err);
}

#[test]
fn a_changed_tariff_is_shown_first_and_applied_when_asked_and_the_invoice_tells_it() {
    let place = with_talks();
    let london = "[[tariff.rate]]\nprefix = \"+44\"\nper_minute_micros = 30000\n";
    rewrite(&place, &format!("{RETAIL}{london}"));
    let bill = || {
        serde_json::from_str::<serde_json::Value>(&good(place.run("bill --business abc --month 2023-11", "")))
            .expect("JSON")
    };
    let dry = place.run("rerate --business abc", "");
    let lines: Vec<serde_json::Value> =
        dry.out.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    assert_eq!((dry.code, lines.len()), (Some(0), 1), "{}", dry.err);
    assert_eq!((&lines[0]["old_price_micros"], &lines[0]["new_price_micros"]), (&60500.into(), &30000.into()));
    let why = lines[0]["why"][0].as_str().expect("why");
    assert!(why.contains("per_minute_micros 60000 to 30000") && why.contains("prefix \"\" to \"+44\""), "{why}");
    assert!(dry.err.contains("USD: 60500 micros to 30000, -30500"), "{}", dry.err);
    assert_eq!(bill()["totals"][0]["price_micros"], 121_000, "nothing was changed");

    let applied = {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbridge"));
        command.args(["rerate", "--apply", "--reason", "London was too dear", "--config"]);
        run(command.arg(place.path().join("callbridge.toml")), "")
    };
    assert!(applied.code == Some(0) && applied.err.contains("1 calls have another price now"), "{}", applied.err);
    let after = bill();
    assert_eq!(
        (&after["totals"][0]["price_micros"], &after["totals"][0]["adjusted_micros"]),
        (&90500.into(), &(-30500).into())
    );
    assert_eq!(after["adjustments"][0]["original_price_micros"], 60500);
    let prefixes: Vec<_> = after["legs"].as_array().expect("legs").iter().map(|leg| leg["prefix"].clone()).collect();
    assert_eq!(prefixes, ["", "+44"]);
    let csv = good(place.run("bill --business abc --month 2023-11 --format csv --part destinations", ""));
    assert!(csv.contains("customer,retail,+44,false,USD,1,60,0,30000"), "{csv}");
    let page = good(place.run("bill --business abc --month 2023-11 --format html", ""));
    assert!(page.contains("London was too dear") && page.contains("0.0905 USD"), "{page}");
    let records = good(place.run("cdr --business abc", ""));
    assert!(
        records.contains("\"price_micros\":60500") && records.contains("\"rerated_price_micros\":30000"),
        "{records}"
    );
    assert!(good(place.run("audit --business abc", "")).contains("rerated"));
}

#[test]
fn a_rerating_in_another_currency_or_without_a_price_is_refused_whole() {
    let place = with_talks();
    rewrite(&place, &RETAIL.replace("increment_seconds", "currency = \"EUR\"\nincrement_seconds"));
    let ran = place.run("rerate --apply", "");
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("nothing was changed") && ran.err.contains("was rated in USD"), "{}", ran.err);
    rewrite(&place, &RETAIL.replace("prefix = \"\"", "prefix = \"+1\"").replace("60000", "10000"));
    let ran = place.run("rerate --apply", "");
    assert!(ran.code == Some(1) && ran.err.contains("has no price at"), "{}", ran.err);
    let store = place.store();
    assert_eq!(store.adjusted(0, Wall(0)).expect("the store").1, 0);
}

/// A busy customer, a day after the other.
fn ended(number: i64, business: &str) -> callbridge::engine::api::StoreOp {
    let created_at = Wall(1_700_000_000_000 + number * 86_400_000);
    let call_id = callbridge::model::CallId::new(created_at, [5; 10]);
    let record = serde_json::json!({
        "call_id": call_id, "business_id": business, "customer": "+12125550100", "outcome": "customer_busy",
        "created_at": created_at, "ended_at": created_at, "customer_billable_seconds": 0,
        "representative_billable_seconds": 0, "talk_seconds": 0, "price_micros": 0, "currency": "USD",
        "one_way_audio": false, "detail": "busy",
    });
    let attempt = serde_json::json!({
        "call_id": call_id, "attempt": 0, "role": "customer", "address": "+12125550100", "dialled_at": created_at,
        "ended_at": created_at, "cause": { "sip_status": 486, "q850": 17, "text": "busy" }, "billable_seconds": 0,
    });
    callbridge::engine::api::StoreOp::Finish {
        record: Box::new(serde_json::from_value(record).expect("a record")),
        attempts: vec![serde_json::from_value(attempt).expect("an attempt")],
    }
}
