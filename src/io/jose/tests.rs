//! Encrypted messages opened: the vectors of RFC 7518, both curves, what was changed on the way, rotation. Owns a sender made of the curve
//! crates alone; an independent library's messages are in tests/http/sealed.rs.

use proptest::prelude::*;
use serde_json::json;

use super::keys::{Key, KeyKind, Keys, make};
use super::*;

/// RFC 7518 appendix C: Bob's key, and the header that Alice's ephemeral key is in. The derived key there is of 128 bits, of
/// `A128GCM`, so that only the agreement and the form of the derivation are compared.
#[test]
fn alice_and_bob_of_rfc_7518_agree() {
    let bob = json!({
        "kty": "EC", "crv": "P-256", "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
        "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ", "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck", "kid": "bob"
    });
    let keys = Keys::new(vec![read(&bob.to_string(), true)]).unwrap();
    let alice: keys::PublicJwk = serde_json::from_value(json!({
        "kty": "EC", "crv": "P-256",
        "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"
    }))
    .unwrap();
    let shared = keys.agree(Some("bob"), &alice).unwrap();
    let expected = [
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128, 106,
        72, 246, 218, 167, 121, 140, 254, 144, 196,
    ];
    assert_eq!(shared.as_slice(), expected, "Z of appendix C");
    let key = derive(&shared, "A256GCM", Some("QWxpY2U"), Some("Qm9i")).unwrap();
    assert_eq!(key.len(), 32);
    let published = keys.published();
    assert_eq!(published["keys"][0]["x"], "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ");
    assert!(published["keys"][0].get("d").is_none());
}

fn read(text: &str, published: bool) -> Key {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, text).unwrap();
    Key::read(&path, published).unwrap()
}

fn keys() -> Keys {
    let of = |kind| read(&make(kind).unwrap().0, true);
    Keys::new(vec![of(KeyKind::P256), of(KeyKind::X25519)]).unwrap()
}

/// What a partner does, with the curve crates alone.
fn seal(keys: &Keys, kind: KeyKind, plain: &str, extra: &serde_json::Value) -> String {
    let published = keys.published();
    let crv = if kind == KeyKind::P256 { "P-256" } else { "X25519" };
    let ours = published["keys"].as_array().unwrap().iter().find(|key| key["crv"] == crv).unwrap().clone();
    let bytes = |text: &serde_json::Value| URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap();
    let secret = [7; 32];
    let (shared, epk) = match kind {
        KeyKind::P256 => {
            let secret = p256::SecretKey::from_slice(&secret).unwrap();
            let point = [&[4][..], &bytes(&ours["x"]), &bytes(&ours["y"])].concat();
            let public = p256::PublicKey::from_sec1_bytes(&point).unwrap();
            let shared = p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), public.as_affine());
            let own = secret.public_key().to_sec1_bytes();
            let own = p256::PublicKey::from_sec1_bytes(&own).unwrap();
            let point = p256::elliptic_curve::sec1::ToSec1Point::to_sec1_point(&own, false);
            let of = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
            let epk = json!({ "kty": "EC", "crv": "P-256", "x": of(point.x().unwrap()), "y": of(point.y().unwrap()) });
            (shared.raw_secret_bytes().to_vec(), epk)
        }
        KeyKind::X25519 => {
            let secret = x25519_dalek::StaticSecret::from(secret);
            let public: [u8; 32] = bytes(&ours["x"]).try_into().unwrap();
            let shared = secret.diffie_hellman(&public.into());
            let x = URL_SAFE_NO_PAD.encode(x25519_dalek::PublicKey::from(&secret).as_bytes());
            (shared.as_bytes().to_vec(), json!({ "kty": "OKP", "crv": "X25519", "x": x }))
        }
    };
    let mut header = json!({ "alg": "ECDH-ES", "enc": "A256GCM", "kid": ours["kid"], "epk": epk });
    header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let head = URL_SAFE_NO_PAD.encode(header.to_string());
    let key = derive(&Zeroizing::new(shared), "A256GCM", None, None).unwrap();
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
    let mut sealed = plain.as_bytes().to_vec();
    let nonce = Nonce::assume_unique_for_key([3; 12]);
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(head.as_bytes()), &mut sealed).unwrap();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!("{head}..{}.{}.{}", part(&[3; 12]), part(&sealed), part(tag.as_ref()))
}

#[test]
fn a_message_to_either_curve_is_opened_and_its_header_is_told() {
    let keys = keys();
    for kind in [KeyKind::P256, KeyKind::X25519] {
        let text = seal(&keys, kind, "{\"customer\":\"+12125550100\"}", &json!({ "iat": 1_764_000_000, "jti": "m-1" }));
        assert!(looks_encrypted(&text));
        let opened = open(&text, &keys).unwrap();
        assert_eq!(opened.text.as_slice(), b"{\"customer\":\"+12125550100\"}");
        assert_eq!(opened.issued_at, Some(1_764_000_000));
    }
}

#[test]
fn a_message_is_named_by_its_jti_else_by_its_text() {
    let keys = keys();
    let once = |plain, extra| open(&seal(&keys, KeyKind::P256, plain, &extra), &keys).unwrap().once;
    assert_eq!(once("a", json!({ "jti": "m-1" })), once("b", json!({ "jti": "m-1" })));
    assert_ne!(once("a", json!({ "jti": "m-1" })), once("a", json!({ "jti": "m-2" })));
    assert_ne!(once("a", json!({})), once("b", json!({})));
}

#[test]
fn what_was_changed_on_the_way_is_not_opened_and_no_reason_is_told() {
    let keys = keys();
    let text = seal(&keys, KeyKind::P256, "secret", &json!({}));
    for at in [1, 3, 4] {
        let mut parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        let mut bytes = URL_SAFE_NO_PAD.decode(&parts[at]).unwrap_or_default();
        match bytes.first_mut() {
            Some(first) => *first ^= 1,
            None => bytes = vec![0; 32],
        }
        parts[at] = URL_SAFE_NO_PAD.encode(bytes);
        let error = open(&parts.join("."), &keys).unwrap_err();
        assert!(matches!(error, JoseError::Sealed | JoseError::Form), "part {at}: {error}");
    }
    let others = self::keys();
    assert_eq!(open(&text, &others).unwrap_err(), JoseError::Sealed);
}

#[test]
fn what_is_not_understood_is_refused() {
    let keys = keys();
    let with = |extra| open(&seal(&keys, KeyKind::P256, "x", &extra), &keys).unwrap_err();
    assert_eq!(with(json!({ "enc": "A128GCM" })), JoseError::Algorithm);
    assert_eq!(with(json!({ "alg": "dir" })), JoseError::Algorithm);
    assert_eq!(with(json!({ "zip": "DEF" })), JoseError::Algorithm);
    assert_eq!(with(json!({ "crit": ["exp"], "exp": 1 })), JoseError::Algorithm);
    assert_eq!(with(json!({ "kid": "another" })), JoseError::Sealed);
    // Not a point of the curve: it would give the key away.
    let bad = json!({ "epk": { "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([1; 32]), "y": URL_SAFE_NO_PAD.encode([1; 32]) } });
    assert_eq!(with(bad), JoseError::Sealed);
    for text in ["", "a.b.c", "....", "eyJ.....", &"a".repeat(MAX_JWE_BYTES + 1)] {
        assert_eq!(open(text, &keys).unwrap_err(), JoseError::Form, "{}", text.len());
    }
}

#[test]
fn a_retired_key_opens_and_is_shown_no_more() {
    let old = make(KeyKind::X25519).unwrap().0;
    let keys = Keys::new(vec![read(&old, true)]).unwrap();
    let text = seal(&keys, KeyKind::X25519, "still", &json!({}));
    let rotated = Keys::new(vec![read(&make(KeyKind::X25519).unwrap().0, true), read(&old, false)]).unwrap();
    assert_eq!(open(&text, &rotated).unwrap().text.as_slice(), b"still");
    assert_eq!(rotated.published()["keys"].as_array().unwrap().len(), 1);
    let twice = Keys::new(vec![read(&old, true), read(&old, false)]);
    assert!(matches!(twice, Err(keys::KeyError::SameName(_))));
}

#[test]
fn a_private_key_is_never_shown() {
    let (text, name) = make(KeyKind::P256).unwrap();
    let key = read(&text, true);
    assert_eq!(format!("{key:?}"), format!("Key({name})"));
    assert_eq!(key.name(), name);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[A-Za-z0-9._-]{0,200}|eyJ[ -~]{0,200}") {
        let keys = Keys::default();
        let _ = (looks_encrypted(&text), open(&text, &keys).map(|opened| opened.once));
    }
}
