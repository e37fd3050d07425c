//! What strangers may show in place of a password, and what is encrypted: nothing but the real one opens, whatever the bytes.

use std::sync::OnceLock;

use callbridge::access::{follow, grant, page_token, work};
use callbridge::clock::Wall;
use callbridge::io::http::message::RawMessage;
use callbridge::io::jose;
use callbridge::io::jose::keys::{Key, KeyKind, Keys, make};
use callbridge::model::direct::{Direct, PageKey};
use callbridge::model::{BusinessId, CallId, MasterKey, Suite};
use callbridge::rtp::{self, Opener, Seal};

const NOW: Wall = Wall(1_700_000_000_000);

fn business() -> BusinessId {
    "abc".parse().expect("an identifier")
}

/// Keys of both curves, made once.
fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("callbridge-parsers-{}.jwk", std::process::id()));
        let read = |kind| {
            let (text, _) = make(kind).expect("a key");
            std::fs::write(&path, text.as_bytes()).expect("a file");
            Key::read(&path, true).expect("the key")
        };
        let keys = [KeyKind::P256, KeyKind::X25519].map(read).into();
        std::fs::remove_file(&path).expect("its own file");
        Keys::new(keys).expect("two names")
    })
}

/// Opens a text that nobody encrypted to these keys.
pub fn jwe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = jose::looks_encrypted(text);
    assert!(jose::open(text, keys()).is_err());
}

/// Shows it as each kind of token there is.
pub fn tokens(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"a secret that no input has");
    let password = callbridge::model::business::PasswordHash("$argon2id$…".to_owned());
    assert!(grant::Claim::read(text).is_none_or(|claim| claim.judge(&key, &password, NOW).is_none()));
    assert!(follow::judge(&key, CallId::from_u128(7), text, NOW).is_none());
    let keys = vec![PageKey { id: "k1".to_owned(), secret: "another secret that no input has".to_owned() }];
    let account = Direct { page_keys: keys, ..Direct::default() };
    assert!(page_token::judge(text, &account, &business(), "https://shop.example/", NOW).is_err());
    assert!(work::judge(&key, &business(), 1, text, text, NOW).is_err());
}

/// Reads and judges a direct call request.
pub fn call_request(body: &[u8]) {
    let Ok(message) = RawMessage::parse(body) else { return };
    if let Ok(request) = message.request(NOW) {
        assert!(request.business.is_none_or(|id| !id.as_str().is_empty()));
    }
}

/// Opens a datagram that nobody sealed; what we seal is opened once, and not at all when a byte is another.
pub fn srtp(bytes: &[u8]) {
    for suite in Suite::ALL {
        let key = MasterKey::new(suite, &vec![7; suite.key_length() + suite.salt_length()]).expect("a whole key");
        let opener = || Opener::new(&key).expect("an opener");
        assert!(opener().open(bytes).is_none());
        let sealed = Seal::new(&key).and_then(|mut seal| seal.seal(bytes));
        let Some(mut sealed) = sealed.filter(|_| rtp::read(bytes).is_some()) else { continue };
        let mut ours = opener();
        assert_eq!(ours.open(&sealed).as_deref(), Some(bytes));
        assert_eq!(ours.open(&sealed), None, "a replay");
        let at = usize::from(bytes.last().copied().unwrap_or(0)) % sealed.len();
        sealed[at] ^= 1;
        assert_eq!(opener().open(&sealed), None, "byte {at} is another");
    }
}
