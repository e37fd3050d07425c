//! Password verification: Argon2id on a bounded blocking pool, and a short memory of the verified pairs.
//!
//! Owns the cost of a hash, who may occupy the processor with verifications and for how long a verified pair is believed.
//! Refuses to know accounts: the stored hash is handed in, `None` for a business nobody knows, at the same cost and with the
//! same answer. Nothing here prints a password.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, CustomizedPasswordHasher, Params, PasswordVerifier, Version};
use rand::TryRngCore;
use ring::hmac;
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, watch};
use zeroize::Zeroizing;

use crate::model::business::PasswordHash;

/// Longest password, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 256;
/// Argon2id memory in KiB: with [`PASSES`], about 36 ms on the machines we measured (RFC 9106 §4, OWASP's first choice).
const MEMORY_KIB: u32 = 19 * 1024;
/// Argon2id passes.
const PASSES: u32 = 2;
/// Businesses are spread over so many queues, so that guesses at one cannot fill the places of the others. Known and unknown
/// ones alike: a full queue says nothing about who exists.
const QUEUES: usize = 64;

/// A password as it came in: wiped when dropped, never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the text of a header, a message or a prompt.
    pub fn new(text: String) -> Password {
        Password(Zeroizing::new(text))
    }

    /// Whether both are the same, in constant time.
    pub fn same(&self, other: &Password) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// The secret, for the one who must send or hash it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why a password cannot be hashed or a verifier not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PasswordError {
    /// Nothing was given.
    #[error("the password is empty")]
    Empty,
    /// Longer than [`MAX_PASSWORD_BYTES`].
    #[error("the password is longer than {MAX_PASSWORD_BYTES} bytes")]
    TooLong,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// Not a PHC string of Argon2id.
    #[error("not an Argon2id hash ($argon2id$v=19$…)")]
    NotArgon2id,
    /// Argon2 could not work: no memory.
    #[error("the password hash could not be computed")]
    Hash,
}

/// Hashes a new password (36 ms of processor: keep it off async threads).
pub fn hash_password(password: &str) -> Result<PasswordHash, PasswordError> {
    hash_with(password, Cost::default())
}

/// Checks that a configured hash is one we can verify.
pub fn check_hash(hash: &PasswordHash) -> Result<(), PasswordError> {
    let parsed = phc::PasswordHash::new(&hash.0).map_err(|_| PasswordError::NotArgon2id)?;
    let argon2id = parsed.algorithm.as_str() == "argon2id" && parsed.salt.is_some() && parsed.hash.is_some();
    let affordable = Params::try_from(&parsed).is_ok_and(|p| p.m_cost() <= 1 << 20 && p.t_cost() <= 64);
    if argon2id && affordable { Ok(()) } else { Err(PasswordError::NotArgon2id) }
}

/// What one hash costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Cost {
    fn default() -> Cost {
        Cost { memory_kib: MEMORY_KIB, passes: PASSES }
    }
}

/// [`hash_password`] at another cost: for tests, which verify often.
pub fn hash_with(password: &str, cost: Cost) -> Result<PasswordHash, PasswordError> {
    match password.len() {
        0 => return Err(PasswordError::Empty),
        1..=MAX_PASSWORD_BYTES => {}
        _ => return Err(PasswordError::TooLong),
    }
    let mut salt = [0u8; 16];
    fill_random(&mut salt)?;
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(|_| PasswordError::Hash)?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_with_params(password.as_bytes(), &salt, params)
        .map_err(|_| PasswordError::Hash)?;
    Ok(PasswordHash(hash.to_string()))
}

fn fill_random(bytes: &mut [u8]) -> Result<(), PasswordError> {
    rand::rngs::OsRng.try_fill_bytes(bytes).map_err(|_| PasswordError::Random)
}

fn matches_hash(password: &Password, hash: &PasswordHash) -> bool {
    let Ok(parsed) = phc::PasswordHash::new(&hash.0) else { return false };
    Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok()
}

/// The passwords of a business that are right now, as they are stored.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// The present one.
    pub present: &'a PasswordHash,
    /// The one before it, and how long it still holds.
    pub former: Option<(&'a PasswordHash, Duration)>,
}

impl<'a> Stored<'a> {
    /// One and no other.
    pub fn only(present: &'a PasswordHash) -> Stored<'a> {
        Stored { present, former: None }
    }
}

/// The answer to a pair of business and password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The password is this business's.
    Right,
    /// It is not, or there is no such business.
    Wrong,
    /// Too many verifications wait: ask again after so many seconds.
    Busy {
        /// Seconds.
        retry_after: u32,
    },
}

/// Bounds of a [`Verifier`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifierLimits {
    /// Verifications that run at once, each on a thread of the blocking pool.
    pub at_once: usize,
    /// Different pairs that run or wait, together.
    pub waiting: usize,
    /// The same, of the businesses that share one of the queues.
    pub waiting_per_business: u32,
    /// How long a verified pair is believed.
    pub remember: Duration,
    /// How many are.
    pub remembered: usize,
    /// What a verification for an unknown business costs: as much as our own hashes.
    pub cost: Cost,
}

impl Default for VerifierLimits {
    fn default() -> VerifierLimits {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        VerifierLimits {
            at_once: (cores / 2).max(1),
            waiting: 32,
            waiting_per_business: 4,
            remember: Duration::from_secs(300),
            remembered: 10_000,
            cost: Cost::default(),
        }
    }
}

type Tag = [u8; 32];

/// Verifies pairs of business and password; cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    shared: Arc<Shared>,
}

struct Shared {
    limits: VerifierLimits,
    secret: hmac::Key,
    /// Stands for the hash of every business that does not exist.
    nobody: PasswordHash,
    slots: Arc<Semaphore>,
    state: Mutex<State>,
    /// Hashes computed so far.
    computed: AtomicU64,
}

#[derive(Default)]
struct State {
    memory: Memory,
    former: Memory,
    running: HashMap<Tag, watch::Receiver<Option<Verdict>>>,
    queues: BTreeMap<usize, u32>,
}

impl Verifier {
    /// A verifier with its own random secret, which dies with the process.
    pub fn new(limits: VerifierLimits) -> Result<Verifier, PasswordError> {
        let mut secret = Zeroizing::new([0u8; 32]);
        fill_random(secret.as_mut())?;
        let mut dummy = [0u8; 16];
        fill_random(&mut dummy)?;
        let dummy: String = dummy.iter().map(|b| format!("{b:02x}")).collect();
        Ok(Verifier {
            shared: Arc::new(Shared {
                limits,
                secret: hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()),
                nobody: hash_with(&dummy, limits.cost)?,
                slots: Arc::new(Semaphore::new(limits.at_once.max(1))),
                state: Mutex::default(),
                computed: AtomicU64::new(0),
            }),
        })
    }

    /// Hashes that were computed so far, to judge by: what is right and remembered costs none, what is wrong two, whoever is named.
    pub fn computed(&self) -> u64 {
        self.shared.computed.load(Ordering::Relaxed)
    }

    /// Whether this pair was found right lately. Costs no hash.
    pub fn knows(&self, business: &str, stored: Stored<'_>, password: &Password) -> bool {
        let now = Instant::now();
        let present = self.shared.tag(business, &[stored.present], password);
        let mut state = self.shared.lock();
        if state.memory.knows(business, &present, now) {
            return true;
        }
        // Where the former one holds no more, nobody asks whether it is remembered.
        let Some((former, _)) = stored.former else { return false };
        let former = self.shared.tag(business, &[former], password);
        state.former.knows(business, &former, now)
    }

    /// Judges a pair. `stored` is what is right for this business now, `None` when there is no such business: that costs and answers
    /// the same as a wrong password. A pair verified against another hash than one of these is not believed.
    pub async fn verify(&self, business: &str, stored: Option<Stored<'_>>, password: &Password) -> Verdict {
        if stored.is_some_and(|stored| self.knows(business, stored, password)) {
            return Verdict::Right;
        }
        let nobody = &self.shared.nobody;
        let hashes = [
            stored.map_or(nobody, |stored| stored.present),
            stored.and_then(|stored| stored.former).map_or(nobody, |(hash, _)| hash),
        ];
        let tag = self.shared.tag(business, &hashes, password);
        let queue = usize::from(self.shared.queue(business));
        let mut answer = {
            let mut state = self.shared.lock();
            match state.running.get(&tag) {
                Some(running) => running.clone(),
                None => {
                    let limits = &self.shared.limits;
                    let queued = state.queues.get(&queue).copied().unwrap_or(0);
                    if state.running.len() >= limits.waiting || queued >= limits.waiting_per_business {
                        return Verdict::Busy { retry_after: 1 };
                    }
                    *state.queues.entry(queue).or_default() += 1;
                    let (tell, answer) = watch::channel(None);
                    state.running.insert(tag, answer.clone());
                    let password = (password.expose().len() <= MAX_PASSWORD_BYTES).then(|| password.clone());
                    let (shared, business) = (self.shared.clone(), business.to_owned());
                    let hashes = hashes.map(Clone::clone);
                    let left = stored.map(|stored| stored.former.map_or(Duration::ZERO, |(_, left)| left));
                    tokio::spawn(Job { shared, tag, queue, business, hashes, password, left, tell }.run());
                    answer
                }
            }
        };
        let verdict = match answer.wait_for(Option::is_some).await {
            Ok(verdict) => *verdict,
            Err(_) => None,
        };
        verdict.unwrap_or(Verdict::Busy { retry_after: 1 })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tag(&self, business: &str, hashes: &[&PasswordHash], password: &Password) -> Tag {
        let mut context = hmac::Context::with_key(&self.secret);
        let hashes = hashes.iter().map(|hash| hash.0.as_str());
        for part in [business, password.expose()].into_iter().chain(hashes) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        to_array(context.sign().as_ref())
    }

    fn queue(&self, business: &str) -> u8 {
        to_array(hmac::sign(&self.secret, business.as_bytes()).as_ref())[0] % QUEUES as u8
    }
}

fn to_array(bytes: &[u8]) -> Tag {
    let mut out = [0u8; 32];
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    out
}

/// One verification that runs to its end even when nobody waits any more: what is counted stays counted until then.
struct Job {
    shared: Arc<Shared>,
    tag: Tag,
    queue: usize,
    business: String,
    /// The present one and the former one, or what stands for them.
    hashes: [PasswordHash; 2],
    /// Absent: too long to be anybody's.
    password: Option<Password>,
    /// How long the former one still holds; absent: there is no such business.
    left: Option<Duration>,
    tell: watch::Sender<Option<Verdict>>,
}

impl Job {
    async fn run(self) {
        let Ok(slot) = self.shared.slots.clone().acquire_owned().await else { return };
        let (password, hashes, shared) = (self.password.clone(), self.hashes.clone(), self.shared.clone());
        let done = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let possible = password.is_some();
            let password = password.unwrap_or_else(|| Password::new(String::new()));
            // Both, unless the first is right: a wrong password costs the same for every name, rotating or not, known or not.
            let found = hashes.iter().position(|hash| {
                shared.computed.fetch_add(1, Ordering::Relaxed);
                matches_hash(&password, hash)
            });
            found.filter(|_| possible)
        });
        let found = done.await.ok().flatten();
        let ([present, former], remember) = (&self.hashes, self.shared.limits.remember);
        let verdict = match (found, self.left) {
            (Some(0), Some(_)) => {
                self.keep(present, remember, |state| &mut state.memory);
                Verdict::Right
            }
            (Some(_), Some(left)) if !left.is_zero() => {
                self.keep(former, remember.min(left), |state| &mut state.former);
                Verdict::Right
            }
            _ => Verdict::Wrong,
        };
        // The last one to look at `tell` is a waiting request; none is no fault.
        let _ = self.tell.send(Some(verdict));
    }

    /// Believes this pair for a time, in the memory of present or of former passwords.
    fn keep(&self, hash: &PasswordHash, time: Duration, memory: impl FnOnce(&mut State) -> &mut Memory) {
        let Some(password) = &self.password else { return };
        let tag = self.shared.tag(&self.business, &[hash], password);
        let most = self.shared.limits.remembered;
        memory(&mut self.shared.lock()).keep(&self.business, tag, Instant::now() + time, most);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.running.remove(&self.tag);
        if let Some(count) = state.queues.get_mut(&self.queue) {
            *count = count.saturating_sub(1);
        }
    }
}

/// The verified pairs: one per business, the least recently used goes first.
#[derive(Default)]
struct Memory {
    by_business: HashMap<String, Kept>,
    by_use: BTreeMap<u64, String>,
    uses: u64,
}

struct Kept {
    tag: Tag,
    until: Instant,
    used: u64,
}

impl Memory {
    fn knows(&mut self, business: &str, tag: &Tag, now: Instant) -> bool {
        let Some(kept) = self.by_business.get_mut(business) else { return false };
        if now >= kept.until || !bool::from(kept.tag.ct_eq(tag)) {
            return false;
        }
        self.uses += 1;
        if let Some(name) = self.by_use.remove(&kept.used) {
            kept.used = self.uses;
            self.by_use.insert(self.uses, name);
        }
        true
    }

    fn keep(&mut self, business: &str, tag: Tag, until: Instant, most: usize) {
        self.uses += 1;
        if let Some(old) = self.by_business.insert(business.to_owned(), Kept { tag, until, used: self.uses }) {
            self.by_use.remove(&old.used);
        }
        self.by_use.insert(self.uses, business.to_owned());
        while self.by_business.len() > most {
            let Some((_, oldest)) = self.by_use.pop_first() else { return };
            self.by_business.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1 };

    fn verifier(waiting: usize) -> Verifier {
        Verifier::new(VerifierLimits { cost: CHEAP, waiting, at_once: 1, ..VerifierLimits::default() }).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_remembered_and_a_changed_hash_forgets_it_at_once() {
        let verifier = verifier(32);
        let old = hash_with("open sesame", CHEAP).unwrap();
        assert_eq!(verifier.verify("abc", Some(Stored::only(&old)), &password("open sesame")).await, Verdict::Right);
        assert_eq!(verifier.shared.lock().memory.by_business.len(), 1);
        verifier.shared.slots.close();
        assert_eq!(verifier.verify("abc", Some(Stored::only(&old)), &password("open sesame")).await, Verdict::Right);
        let new = hash_with("another", CHEAP).unwrap();
        let answer = verifier.verify("abc", Some(Stored::only(&new)), &password("open sesame")).await;
        assert_ne!(answer, Verdict::Right);
    }

    #[tokio::test]
    async fn an_unknown_business_and_a_wrong_password_get_the_same_answer() {
        let verifier = verifier(32);
        let hash = hash_with("right", CHEAP).unwrap();
        assert_eq!(verifier.verify("abc", Some(Stored::only(&hash)), &password("wrong")).await, Verdict::Wrong);
        assert_eq!(verifier.verify("nobody", None, &password("wrong")).await, Verdict::Wrong);
        let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
        assert_eq!(verifier.verify("abc", Some(Stored::only(&hash)), &password(&long)).await, Verdict::Wrong);
        assert!(verifier.shared.lock().running.is_empty());
        assert!(verifier.shared.lock().memory.by_business.is_empty());
    }

    #[tokio::test]
    async fn two_passwords_are_right_during_a_rotation_and_one_after_it() {
        let verifier = verifier(32);
        let (old, new) = (hash_with("old", CHEAP).unwrap(), hash_with("new", CHEAP).unwrap());
        let during = Stored { present: &new, former: Some((&old, Duration::from_secs(60))) };
        for _ in 0..2 {
            for word in ["old", "new", "old"] {
                assert_eq!(verifier.verify("abc", Some(during), &password(word)).await, Verdict::Right);
            }
        }
        assert_eq!(verifier.computed(), 3, "both are remembered beside each other");
        assert!(verifier.knows("abc", during, &password("old")));
        let after = Stored::only(&new);
        assert!(!verifier.knows("abc", after, &password("old")), "what is remembered ends with the former one");
        assert_eq!(verifier.verify("abc", Some(after), &password("old")).await, Verdict::Wrong);
        assert_eq!(verifier.verify("abc", Some(after), &password("new")).await, Verdict::Right);
    }

    #[tokio::test]
    async fn a_wrong_password_costs_the_same_for_every_name() {
        let (old, new) = (hash_with("old", CHEAP).unwrap(), hash_with("new", CHEAP).unwrap());
        let rotating = Stored { present: &new, former: Some((&old, Duration::from_secs(60))) };
        let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
        for stored in [None, Some(Stored::only(&new)), Some(rotating)] {
            for word in ["guess", "", &long] {
                let verifier = verifier(32);
                assert_eq!(verifier.verify("abc", stored, &password(word)).await, Verdict::Wrong);
                assert_eq!(verifier.computed(), 2, "{word:.5}");
            }
        }
    }

    #[tokio::test]
    async fn guesses_at_one_business_leave_places_for_the_others_and_never_exceed_the_bound() {
        let verifier = verifier(32);
        let hash = hash_with("right", CHEAP).unwrap();
        let all_slots = verifier.shared.slots.clone().acquire_many_owned(1).await.unwrap();
        let guesses: Vec<_> = (0..20)
            .map(|n| {
                let (verifier, hash) = (verifier.clone(), hash.clone());
                tokio::spawn(async move {
                    verifier.verify("abc", Some(Stored::only(&hash)), &password(&format!("guess {n}"))).await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        while verifier.shared.lock().running.len() < 4 {
            tokio::task::yield_now().await;
        }
        let other = (0..).map(|n| format!("b{n}")).find(|b| verifier.shared.queue(b) != verifier.shared.queue("abc"));
        let other = other.unwrap();
        let right = {
            let (verifier, hash) = (verifier.clone(), hash.clone());
            tokio::spawn(async move { verifier.verify(&other, Some(Stored::only(&hash)), &password("right")).await })
        };
        while verifier.shared.lock().running.len() < 5 {
            tokio::task::yield_now().await;
        }
        drop(all_slots);
        let mut busy = 0;
        for guess in guesses {
            busy += usize::from(matches!(guess.await.unwrap(), Verdict::Busy { .. }));
        }
        assert_eq!(busy, 16);
        assert_eq!(right.await.unwrap(), Verdict::Right);
    }

    #[tokio::test]
    async fn the_same_pair_sent_many_times_at_once_is_verified_once() {
        let verifier = verifier(1);
        let hash = hash_with("right", CHEAP).unwrap();
        let same: Vec<_> = (0..50)
            .map(|_| {
                let (verifier, hash) = (verifier.clone(), hash.clone());
                tokio::spawn(async move { verifier.verify("abc", Some(Stored::only(&hash)), &password("right")).await })
            })
            .collect();
        for one in same {
            assert_eq!(one.await.unwrap(), Verdict::Right);
        }
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_least_recently_used() {
        let mut memory = Memory::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        for name in ["a", "b", "c"] {
            memory.keep(name, [7; 32], later, 2);
            assert!(memory.knows("a", &[7; 32], now) || name == "c");
            assert!(memory.by_business.len() <= 2 && memory.by_use.len() <= 2);
        }
        assert!(!memory.knows("b", &[7; 32], now), "b was used least recently");
        assert!(memory.knows("c", &[7; 32], now));
        assert!(!memory.knows("c", &[8; 32], now));
        assert!(!memory.knows("c", &[7; 32], later), "it is believed for a time only");
    }

    #[test]
    fn a_hash_is_a_phc_string_and_nothing_prints_a_password() {
        let hash = hash_with("secret", CHEAP).unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$"));
        assert_eq!(check_hash(&hash), Ok(()));
        assert_eq!(check_hash(&PasswordHash("plain".into())), Err(PasswordError::NotArgon2id));
        assert_eq!(format!("{:?}", password("secret")), "Password(…)");
        assert_eq!(hash_password(""), Err(PasswordError::Empty));
        assert_eq!(hash_password(&"x".repeat(300)), Err(PasswordError::TooLong));
    }
}
