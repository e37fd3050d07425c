//! Voice over IP in place of the telephone: the customer's stored SIP URI (328) and the representative's IP address (336) are called.

use serde_json::json;

use super::{LEASE, calls, shop_before};
use crate::support::daemon::{Setup, Switch};
use crate::support::ports;
use crate::support::story::{Story, until_both_hear_each_other};

#[test]
fn a_customer_at_a_sip_address_talks_with_a_representative_at_an_ip_address() {
    let ports = [ports::port(), ports::port()];
    let allow = |hosts: &str| vec![("allow", hosts.to_owned())];
    let switches = vec![
        Switch { keys: allow("[\"carol.example\"]"), ..Switch::new("ssp-62", ports[0], &["+1212"]) },
        Switch { keys: allow("[\"192.0.2.56\"]"), ..Switch::new("ssp-64", ports[1], &["+1646"]) },
    ];
    let story = Story::behind(Setup { switches, ..Setup::default() }, ports);
    let shop = shop_before(&story, LEASE);
    let mut desk = shop.desk("rita");
    assert_eq!(desk.submit("/desk/address", &[("address", "192.0.2.56")]).status, 303);
    assert!(desk.get("/desk").body.contains("Rings 192.0.2.56"));
    let mut customer = shop.visitor();
    let password = shop.password("carol@example.com");
    customer.submit("/account/login", &[("email", "carol@example.com"), ("password", &password)]);
    let fields = [("name", "Carol Chen"), ("address", ""), ("phone", ""), ("voip", "sip:carol@carol.example")];
    assert_eq!(customer.submit("/account", &fields).status, 303);
    let mut phone = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let asked = customer.ask(&json!({ "note": "by voice over IP" }));
    assert_eq!(asked.status, 202, "{}", asked.body);
    until_both_hear_each_other(&phone, &representative);
    let call = &calls(&story)[0];
    assert_eq!(call["customer"]["address"], "sip:carol@carol.example");
    assert!(call["representative"]["address"].as_str().is_some_and(|at| at.contains("192.0.2.56")), "{call:#}");
    let invite = phone.until("the INVITE", |message| message.text.starts_with("INVITE "));
    assert!(invite.text.starts_with("INVITE sip:carol@carol.example"), "{}", invite.text);
    assert!(desk.until("/desk", "is on the line").contains("sip:carol@carol.example"));
    phone.act();
    phone.finish();
    representative.finish();
    story.end();
}
