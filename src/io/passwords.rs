//! Password verification: Argon2id, and a short memory of verified pairs under a keyed hash.
