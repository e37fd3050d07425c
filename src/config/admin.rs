//! `[admin]`: the operators' listener, who they are, and how long the audit trail is kept. Owns what these keys mean; refuses to hash or to
//! verify.

use super::lists::{self, Seen};
use super::reader::{At, Reader, Section};
use super::sections::{ADDRESS, INSECURE, loopback, socket, tls};
use super::{AdminConfig, OperatorConfig, OperatorRole};

const NAME: &str = "write name = \"anna\": 1 to 64 letters, digits, . _ -";
const PASSWORD: &str = "write password_file = \"anna.password\", or password_hash = \"$argon2id$…\"";

pub(super) fn admin(reader: &mut Reader, mut section: Section<'_>) -> AdminConfig {
    let listen = section.read(reader, "listen", ADDRESS, socket);
    let insecure = section.flag(reader, "insecure").unwrap_or(false);
    let child = section.child(reader, "tls", "write tls = { certificate = \"server.pem\", key = \"server.key\" }");
    let wanted = child.exists();
    let tls = tls(reader, child);
    if let Some(At { place, value }) = &listen
        && !value.ip().is_loopback()
        && !insecure
        && !wanted
        && tls.is_none()
    {
        let problem = format!("{value} is reached from outside, and operators' passwords would travel in clear");
        reader.error(place, &section.key("listen"), problem, INSECURE);
    }
    let audit_days = section.integer(reader, "audit_days", 1..=3650).unwrap_or(400);
    let operators = section.children(reader, "operator");
    let operators = operators_of(reader, operators);
    section.finish(reader);
    let listen = listen.map_or(loopback(9090), |at| at.value);
    AdminConfig { listen, tls, insecure, audit_days, operators }
}

fn operators_of(reader: &mut Reader, sections: Vec<Section<'_>>) -> Vec<OperatorConfig> {
    let mut seen = Seen::default();
    let mut operators = Vec::new();
    for mut section in sections {
        let here = section.place(reader);
        // The form of a business's identifier: it stands before the colon of HTTP Basic.
        let name = section.read(reader, "name", NAME, |text| {
            text.parse::<crate::model::BusinessId>().map(|name| name.to_string()).map_err(|_| "no operator's name")
        });
        if !section.has("name") {
            reader.error(&here, &section.key("name"), "missing", NAME);
        }
        if let Some(at) = &name {
            let key = section.key("name");
            seen.check(reader, &key, at);
        }
        let password = lists::password(reader, &mut section, PASSWORD);
        let role = section.read(reader, "role", "write role = \"read\" or role = \"write\"", |text| match text {
            "read" => Ok(OperatorRole::Read),
            "write" => Ok(OperatorRole::Write),
            _ => Err("no role"),
        });
        section.finish(reader);
        let role = role.map_or(OperatorRole::Read, |at| at.value);
        if let (Some(name), Some(password)) = (name, password) {
            operators.push(OperatorConfig { name: name.value, password, role });
        }
    }
    operators
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const SWITCH: &str = "[[switch]]\nname = \"a\"\naddress = \"sip:192.0.2.1:5060;transport=udp\"\n";

    fn read(text: &str) -> Result<AdminConfig, String> {
        parse(&format!("{text}{SWITCH}"), "t").map(|config| config.admin).map_err(|errors| errors.to_string())
    }

    #[test]
    fn operators_have_a_name_a_password_and_a_role_which_is_to_read() {
        let text = "[admin]\naudit_days = 30\n[[admin.operator]]\nname = \"anna\"\npassword_file = \"anna.password\"\nrole = \"write\"\n\
            [[admin.operator]]\nname = \"watch\"\npassword_file = \"w.password\"\n";
        let admin = read(text).unwrap();
        let roles: Vec<&str> = admin.operators.iter().map(|operator| operator.role.as_str()).collect();
        assert_eq!((admin.audit_days, roles), (30, vec!["write", "read"]));
        assert!(read("").unwrap().operators.is_empty());
    }

    #[test]
    fn what_is_wrong_with_an_operator_is_told() {
        let text = "[[admin.operator]]\nname = \"anna\"\npassword_file = \"a\"\n[[admin.operator]]\nname = \"anna\"\nrole = \"root\"\n\
            [[admin.operator]]\nname = \"a:b\"\npassword_file = \"a\"\ncolour = 1\n";
        let told = read(text).unwrap_err();
        for part in [
            "is the name of another one",
            "\"root\" is no role",
            "password_hash: missing",
            "no operator's name",
            "colour",
        ] {
            assert!(told.contains(part), "{part} in\n{told}");
        }
    }

    #[test]
    fn off_loopback_it_wants_tls_or_a_word() {
        assert!(read("[admin]\nlisten = \"192.0.2.1:9090\"\n").unwrap_err().contains("in clear"));
        assert!(read("[admin]\nlisten = \"192.0.2.1:9090\"\ninsecure = true\n").is_ok());
        let tls = "[admin]\nlisten = \"192.0.2.1:9090\"\ntls = { certificate = \"a.pem\", key = \"a.key\" }\n";
        assert!(read(tls).unwrap().tls.is_some());
    }
}
