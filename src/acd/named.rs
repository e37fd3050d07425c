//! Whom a direct call request means: the representatives and service centres that the business's account names (910), by
//! identifier or by skill, in the account's order. Owns this choice alone; refuses availability and queues, which will be asked
//! here once they are known.

use crate::model::Endpoint;
use crate::model::direct::{Centre, Direct, MAX_ADDRESSES};

/// Where to call, in hunt order. `None`: the account has nobody of this name or with this skill, or nobody at all.
pub fn choose(account: &Direct, information: Option<&str>) -> Option<Vec<Endpoint>> {
    let named = |id: &str| account.centres.iter().find(|centre| centre.id == id);
    let meant: Vec<&Centre> = match information {
        None => {
            let default = account.default_centre.as_deref().and_then(named);
            default.or(account.centres.first()).into_iter().collect()
        }
        Some(word) => match named(word) {
            Some(centre) => vec![centre],
            None => {
                let knows = |centre: &&Centre| centre.skills.iter().any(|skill| skill == word);
                account.centres.iter().filter(knows).collect()
            }
        },
    };
    let mut addresses: Vec<Endpoint> = Vec::new();
    for address in meant.iter().flat_map(|centre| &centre.addresses) {
        if addresses.len() < MAX_ADDRESSES && !addresses.contains(address) {
            addresses.push(address.clone());
        }
    }
    (!addresses.is_empty()).then_some(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Direct {
        let centres = [
            ("sales", "+12125550101"),
            ("cruise", "+12125550102,+12125550103#sea,travel"),
            ("flight", "+12125550104,+12125550103#air,travel"),
        ];
        let centres = centres.map(|(id, text)| Centre::parse(id, text).unwrap()).to_vec();
        Direct { centres, ..Direct::default() }
    }

    fn chosen(account: &Direct, information: Option<&str>) -> Vec<String> {
        choose(account, information).unwrap_or_default().iter().map(Endpoint::to_string).collect()
    }

    #[test]
    fn an_identifier_is_meant_before_a_skill_and_a_skill_means_all_who_have_it_in_order() {
        assert_eq!(chosen(&account(), Some("cruise")), ["+12125550102", "+12125550103"]);
        assert_eq!(chosen(&account(), Some("air")), ["+12125550104", "+12125550103"]);
        assert_eq!(chosen(&account(), Some("travel")), ["+12125550102", "+12125550103", "+12125550104"]);
    }

    #[test]
    fn without_a_name_it_is_the_default_or_the_first() {
        assert_eq!(chosen(&account(), None), ["+12125550101"]);
        let flight = Direct { default_centre: Some("flight".to_owned()), ..account() };
        assert_eq!(chosen(&flight, None), ["+12125550104", "+12125550103"]);
        assert_eq!(choose(&Direct::default(), None), None);
    }

    #[test]
    fn what_the_account_does_not_name_reaches_nobody() {
        for word in ["+19005550100", "Sales", "", "sip:anna@pbx.example"] {
            assert_eq!(choose(&account(), Some(word)), None, "{word}");
        }
    }
}
