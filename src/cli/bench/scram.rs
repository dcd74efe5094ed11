//! SASL SCRAM without channel binding (RFC 5802, RFC 7677), as a client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::secret::Secret;

/// Most rounds that are computed for a server.
const MOST_ROUNDS: u32 = 1_000_000;
/// `n,,` in base64: no channel binding.
const NO_BINDING: &str = "biws";

/// The hash function of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha1,
}

impl Hash {
    /// The better one first.
    pub(super) const ALL: [Self; 2] = [Self::Sha256, Self::Sha1];

    pub(super) const fn mechanism(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha1 => "SCRAM-SHA-1",
        }
    }

    fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha1 => Sha1::digest(data).to_vec(),
        }
    }

    /// Returns HMAC with this key; `None` for no key at all.
    fn keyed(self, key: &[u8]) -> Option<Keyed> {
        Some(match self {
            Self::Sha256 => Keyed::Sha256(Hmac::new_from_slice(key).ok()?),
            Self::Sha1 => Keyed::Sha1(Hmac::new_from_slice(key).ok()?),
        })
    }

    /// PBKDF2 for one block of output (RFC 5802 section 2.2, `Hi`).
    fn stretched(self, password: &[u8], salt: &[u8], rounds: u32) -> Option<Vec<u8>> {
        let keyed = self.keyed(password)?;
        let mut block = keyed.of(&[salt, &[0, 0, 0, 1]].concat());
        let mut whole = block.clone();
        for _ in 1..rounds {
            block = keyed.of(&block);
            whole = xor(&whole, &block);
        }
        Some(whole)
    }
}

/// HMAC with its key.
enum Keyed {
    Sha256(Hmac<Sha256>),
    Sha1(Hmac<Sha1>),
}

impl Keyed {
    fn of(&self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256(mac) => mac.clone().chain_update(data).finalize().into_bytes().to_vec(),
            Self::Sha1(mac) => mac.clone().chain_update(data).finalize().into_bytes().to_vec(),
        }
    }
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// A password as it is hashed with a salt.
#[derive(Clone, Debug)]
pub(super) struct Salted {
    hash: Hash,
    salt: String,
    rounds: u32,
    key: Vec<u8>,
}

/// An exchange that is under way.
#[derive(Debug)]
pub(super) struct Scram<'a> {
    hash: Hash,
    nonce: &'a str,
    /// The first message without its header.
    bare: String,
}

/// The answer to a challenge.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) response: String,
    /// What a server that has the password says after it.
    pub(super) verifier: String,
    pub(super) salted: Salted,
}

impl<'a> Scram<'a> {
    pub(super) fn new(hash: Hash, user: &str, nonce: &'a str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self { hash, nonce, bare: format!("n={user},r={nonce}") }
    }

    /// Returns the first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Answers a challenge, with the hash of the password from `before` if that has this salt. `None`: it is invalid.
    pub(super) fn answer(
        &self,
        challenge: &str,
        password: &Secret,
        before: Option<Salted>,
    ) -> Option<Proof> {
        let part = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
        let (nonce, salt) = (part("r=")?, part("s=")?);
        let rounds: u32 = part("i=")?.parse().ok()?;
        if !nonce.starts_with(self.nonce) || rounds > MOST_ROUNDS {
            return None;
        }
        let hash = self.hash;
        let is_same = |it: &Salted| (it.hash, it.salt.as_str(), it.rounds) == (hash, salt, rounds);
        let salted = match before.filter(is_same) {
            Some(salted) => salted,
            None => {
                let prepared = stringprep::saslprep(password.expose()).ok()?;
                let key =
                    hash.stretched(prepared.as_bytes(), &STANDARD.decode(salt).ok()?, rounds)?;
                Salted { hash, salt: salt.to_owned(), rounds, key }
            }
        };
        let last = format!("c={NO_BINDING},r={nonce}");
        let all = format!("{},{challenge},{last}", self.bare);
        let hmac = |key: &[u8], data: &[u8]| Some(hash.keyed(key)?.of(data));
        let client = hmac(&salted.key, b"Client Key")?;
        let signature = hmac(&hash.hash(&client), all.as_bytes())?;
        let server = hmac(&hmac(&salted.key, b"Server Key")?, all.as_bytes())?;
        Some(Proof {
            response: format!("{last},p={}", STANDARD.encode(xor(&client, &signature))),
            verifier: format!("v={}", STANDARD.encode(server)),
            salted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standards_come_out() {
        // RFC 5802 section 5, RFC 7677 section 3.
        for (hash, nonce, challenge, proof, verifier) in [
            (
                Hash::Sha1,
                "fyko+d2lbbFgONRv9qkxdawL",
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ),
            (
                Hash::Sha256,
                "rOprNGfwEbeRWgbNEkqO",
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ),
        ] {
            let scram = Scram::new(hash, "user", nonce);
            assert_eq!(scram.first(), format!("n,,n=user,r={nonce}"));
            let password = Secret::new("pencil");
            let first = scram.answer(challenge, &password, None).unwrap();
            // Another password is not read where the salt is that of before.
            let wrong = Secret::new("other");
            let again = scram.answer(challenge, &wrong, Some(first.salted.clone())).unwrap();
            for answer in [first, again] {
                assert!(answer.response.ends_with(&format!(",p={proof}")), "{}", answer.response);
                assert_eq!(answer.verifier, verifier);
            }
        }
    }

    #[test]
    fn a_challenge_for_another_is_not_answered() {
        let scram = Scram::new(Hash::Sha1, "a,b=c", "mine");
        assert_eq!(scram.first(), "n,,n=a=2Cb=3Dc,r=mine");
        for challenge in ["r=other,s=QSXC,i=1", "r=mine1,s=QSXC,i=2000000", "r=mine1,i=1", ""] {
            assert!(scram.answer(challenge, &Secret::new("x"), None).is_none(), "{challenge}");
        }
    }
}
