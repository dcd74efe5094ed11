//! Passwords that several parties compute alike: a scheduler, and every server of a cluster, without
//! sharing more than one secret. `docs/derived-passwords.md` has the recipe and test vectors.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::words::pick;
use crate::jid::BareJid;
use crate::secret::Secret;

/// No password can be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// The secret cannot serve as a key.
    #[error("the secret for derived passwords cannot be used as a key")]
    Key,
    /// The key stream ended. It takes 2^32 unlucky blocks.
    #[error("no more key material")]
    Exhausted,
}

/// The number of the period that `now` falls into; 0 without periods. Periods are counted from the Unix
/// epoch, so a day's begins at midnight UTC.
pub fn period_at(period: Option<Duration>, now: Timestamp) -> u64 {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    period.map_or(0, |period| seconds.checked_div(period.as_secs()).unwrap_or_default())
}

/// The password of `room` in `period`, of `count` words.
///
/// # Errors
/// The secret cannot be used.
pub fn derive(
    secret: &Secret,
    room: &BareJid,
    period: u64,
    count: u32,
) -> Result<Secret, DeriveError> {
    let mut block = 0_u32;
    let mut stream: Vec<u8> = Vec::new();
    pick(count, || {
        if stream.is_empty() {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
                .map_err(|_| DeriveError::Key)?;
            mac.update(b"vestibule password 1\0");
            mac.update(room.as_str().as_bytes());
            mac.update(b"\0");
            mac.update(&period.to_be_bytes());
            mac.update(&block.to_be_bytes());
            block = block.checked_add(1).ok_or(DeriveError::Exhausted)?;
            stream = mac.finalize().into_bytes().iter().rev().copied().collect();
        }
        match (stream.pop(), stream.pop()) {
            (Some(high), Some(low)) => Ok(u16::from_be_bytes([high, low])),
            _ => Err(DeriveError::Exhausted),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn at(room: &str, period: u64, words: u32) -> String {
        let secret = Secret::new("0123456789abcdef0123456789abcdef");
        let room = BareJid::from_str(room).unwrap();
        derive(&secret, &room, period, words).unwrap().expose().to_owned()
    }

    #[test]
    fn the_documented_vectors_hold() {
        let document = include_str!("../../docs/derived-passwords.md");
        let rows: Vec<Vec<&str>> = document
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
            .collect();
        assert!(rows.len() >= 4);
        for row in rows {
            let password = at(row[1], row[2].parse().unwrap(), row[3].parse().unwrap());
            assert_eq!(password, row[4], "{row:?}");
        }
    }

    #[test]
    fn the_room_and_the_period_make_another_password() {
        let base = at("tea@conference.example.org", 0, 4);
        assert_ne!(base, at("tee@conference.example.org", 0, 4));
        assert_ne!(base, at("tea@conference.example.org", 1, 4));
    }

    #[test]
    fn periods_are_counted_from_the_epoch() {
        let day = Some(Duration::from_secs(86_400));
        assert_eq!(period_at(day, Timestamp::from_second(86_399).unwrap()), 0);
        assert_eq!(period_at(day, Timestamp::from_second(86_400).unwrap()), 1);
        assert_eq!(period_at(None, Timestamp::from_second(86_400).unwrap()), 0);
    }
}
