//! How a world is furnished from its plan: addresses, the business, the engine's configuration, the phones and whose they
//! are. Owns constants; nothing here happens in virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use callbridge::billing::Plans;
use callbridge::clock::Mono;
use callbridge::engine::EngineConfig;
use callbridge::model::business::PasswordHash;
use callbridge::model::trunk::Registration;
use callbridge::model::{
    Business, BusinessId, Contact, Directory, Rate, RatePlan, RatedLegs, Recording, SipTransport, SwitchAddress,
    Taping, Tariff, TariffName, Trunk, Webhook, WebhookSecret,
};
use callbridge::phone::{Phone, PhoneConfig, Registrar};
use callbridge::routing::Switch;
use callbridge::sip::api::Locals;
use rand::RngCore;
use rand::rngs::StdRng;

use crate::plan::{EQUIPMENT, Plan};
use crate::staff;
use crate::topology::{SwitchPlan, host};
use crate::turns::Present;
use crate::world::Who;

/// Wall time at the beginning of every world: 2026-11-24T12:00:00Z.
pub const EPOCH: i64 = 1_795_521_600_000;

/// First RTP port of the equipment.
pub const EQUIPMENT_RTP: &str = "192.0.2.1:20000";

/// Reads an address constant.
pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("a constant")
}

/// The one business of every world.
pub fn business() -> BusinessId {
    "abc".parse().expect("a constant")
}

/// What the account pays: in worlds of six-second steps a tariff of the carrier's, with set-ups and prefixes; else prices of its own.
pub fn tariffs(plan: &Plan) -> Plans {
    if plan.tariff != (6, 6) {
        return Plans::new();
    }
    let rate = |prefix: &str, leg: RatedLegs, per_minute_micros: i64, setup_micros: i64| Rate {
        prefix: prefix.parse().expect("a constant"),
        leg,
        per_minute_micros,
        setup_micros,
        increment_seconds: plan.tariff.0,
        minimum_seconds: plan.tariff.1,
        effective_from: None,
        effective_to: None,
    };
    let rates = vec![
        rate("", RatedLegs::Customer, 20_000, 1_000),
        rate("", RatedLegs::Representative, 5_000, 2_000),
        rate("+1", RatedLegs::Representative, 10_000, 500),
    ];
    callbridge::billing::plans([&RatePlan { name: tariff_name(), currency: Tariff::default().currency, rates }])
}

fn tariff_name() -> TariffName {
    "retail".parse().expect("a constant")
}

/// The account of every world; `plans`: what it may pay by, else by this tariff of its own.
pub fn directory((tariff, plans): (Tariff, &Plans), plan: &Plan, contact: Contact) -> Directory {
    let (gates, taping, limits) = (plan.gates, plan.taping, plan.account);
    let webhook = Webhook::new("https://example.com/".parse().expect("a URL"), WebhookSecret::new([1; 32]));
    let account = Business::new(business(), "ABC", PasswordHash(String::new()));
    let recording = if taping == Taping::Off { Recording::OnRequest } else { Recording::Always };
    let staffing = staff::staffing(plan);
    let webhook = Some(webhook);
    let tariff_name = Some(tariff_name()).filter(|name| plans.contains_key(name));
    let business = Business { tariff, tariff_name, gates, limits, contact, recording, webhook, staffing, ..account };
    Directory { businesses: [(business.id.clone(), Arc::new(business))].into() }
}

/// A switch as the configuration has it, but for what is in maintenance.
fn switch(plan: &Plan, switch: &SwitchPlan, present: &Present) -> Switch {
    let registration = switch.registers.filter(|_| !present.closed).map(|_| Registration {
        aor: format!("sip:callbridge@{}.example", switch.name),
        expires: Duration::from_secs(600),
    });
    let trunk = Trunk { max_redirects: plan.topology.max_redirects, registration, ..plan.trunk.clone() };
    let literal = Switch::at(switch.name, plan.topology.hop(switch.places[0]));
    let address = match switch.named {
        true => SwitchAddress::parse(&format!("sip:{}.example:5060", switch.name)).expect("a name"),
        false => literal.address.clone(),
    };
    Switch {
        address,
        prefixes: switch.prefixes.iter().map(|p| (*p).to_owned()).collect(),
        weight: switch.weight,
        max_channels: switch.max_channels,
        max_calls_per_second: switch.max_calls_per_second,
        answer: plan.topology.answer,
        options: switch.options.filter(|_| !present.closed),
        trunk: Arc::new(trunk),
        ..literal
    }
}

/// Where the equipment listens.
fn locals(plan: &Plan) -> Locals {
    let mut all = vec![(SipTransport::Udp, address(EQUIPMENT))];
    if !plan.topology.streams.hosts.is_empty() {
        all.push((SipTransport::Tcp, address(EQUIPMENT)));
    }
    Locals::new(all).expect("one at least")
}

/// The configuration as it is now.
pub fn engine_config(plan: &Plan, present: &Present) -> EngineConfig {
    let drained = present.drained.iter().copied();
    let switches = plan.topology.switches.iter().zip(drained);
    let switches = switches.map(|(one, drain)| Switch { drain, ..switch(plan, one, present) }).collect();
    EngineConfig {
        strays_per_second: 1_000,
        stir: None,
        consent: plan.taping == Taping::Told,
        sip: locals(plan),
        user_agent: "callbridge".to_owned(),
        limits: plan.limits,
        late: Duration::from_secs(3_600),
        max_ahead: Duration::from_secs(366 * 86_400),
        max_calls: 100,
        tariffs: Arc::new(tariffs(plan)),
        switches,
    }
}

/// How the hosts take registrations, where some switch wants them.
fn registrar(plan: &Plan) -> Option<Registrar> {
    let most = plan.topology.switches.iter().find_map(|switch| switch.registers)?;
    let challenge = plan.wishes.iter().find_map(|wish| wish.customer.behaviour.challenge.clone());
    let challenge = challenge.filter(|c| c.flaw.is_none() && plan.trunk.credentials.is_some());
    Some(Registrar { challenge, most, least: if most > 30 { 700 } else { 0 }, flaw: None })
}

pub fn phones(plan: &Plan, faulty: bool, traced: bool, rng: &mut StdRng) -> Vec<(SocketAddr, Phone)> {
    let mut phones = Vec::new();
    for at in 0..plan.topology.hosts() {
        let text = host(at);
        let behaviour = callbridge::phone::Behaviour::refusing(Duration::ZERO, 404);
        let mut config = PhoneConfig::new(text, (30_000, 30_998), behaviour, rng.next_u64());
        config.grace = Duration::from_millis(if faulty { 600 } else { 60 });
        config.patience = Duration::from_secs(45).max(plan.limits.silence);
        // Long enough for everything that the equipment may still say after it found out, however late.
        config.linger = Duration::from_secs(150);
        config.ladder = traced;
        config.stream = plan.topology.streams.hosts.contains_key(&at);
        config.registrar = registrar(plan);
        if faulty {
            config.faithful_from = Mono(1_000_000) + plan.faults.until + Duration::from_secs(1);
        }
        let mut phone = Phone::new(config);
        for wish in &plan.wishes {
            for party in wish.parties() {
                phone.expect(&party.number, party.behaviour.clone());
            }
        }
        phones.push((text, phone));
    }
    phones
}

pub fn whose(plan: &Plan) -> BTreeMap<String, Who> {
    let mut whose = BTreeMap::new();
    for (w, wish) in plan.wishes.iter().enumerate() {
        for party in wish.elsewhere.iter().chain([&wish.customer]) {
            whose.insert(party.number.clone(), Who::Customer(w));
        }
        for (r, party) in wish.representatives.iter().enumerate() {
            whose.insert(party.number.clone(), Who::Representative(w, r));
        }
        for (t, party) in wish.targets.iter().enumerate() {
            whose.insert(party.number.clone(), Who::Target(w, t));
        }
        for (v, visit) in wish.supervisors.iter().enumerate() {
            whose.insert(visit.party.number.clone(), Who::Supervisor(w, v));
        }
    }
    whose
}
