//! Generates, derives and judges passwords and host codes.

use std::collections::HashSet;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::jid::BareJid;
use crate::policy::attempt::Strength;
use crate::secret::Secret;

/// Why no password could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakingError {
    /// The secret cannot serve as a key.
    #[error("the secret for derived passwords cannot be used as a key")]
    Key,
    /// The key stream has ended, which takes 2^32 unlucky blocks.
    #[error("no more key material")]
    Exhausted,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// The policy file has no password or secret for this source. `check` refuses such a file, so this is a safeguard.
    #[error("the file names no password or secret for this source")]
    Missing,
    /// The password is the host code of the room, and would make everybody a moderator.
    #[error("this is the host code of the room: choose another password")]
    Same,
}

/// What is derived: the same secret, room and period give another text for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The room's password.
    Password,
    /// The room's host code.
    Code,
}

impl Context {
    /// Returns the bytes that begin each block.
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Password => b"vestibule password 1\0",
            Self::Code => b"vestibule host code 1\0",
        }
    }
}

/// Returns the number of the period that `now` falls into; 0 without periods. Periods are counted from the Unix
/// epoch, so a period of a day begins at midnight UTC.
pub fn period_at(period: Option<Duration>, now: Timestamp) -> u64 {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    period.map_or(0, |period| seconds.checked_div(period.as_secs()).unwrap_or_default())
}

/// Derives the password or host code of `room` in `period`, of `count` words (`docs/derived-passwords.md`).
///
/// # Errors
/// When the secret cannot be used as a key.
pub fn derive(
    context: Context,
    secret: &Secret,
    room: &BareJid,
    period: u64,
    count: u32,
) -> Result<Secret, MakingError> {
    let mut block = 0_u32;
    let mut stream: Vec<u8> = Vec::new();
    pick(count, || {
        if stream.is_empty() {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
                .map_err(|_| MakingError::Key)?;
            mac.update(context.label());
            mac.update(room.as_str().as_bytes());
            mac.update(b"\0");
            mac.update(&period.to_be_bytes());
            mac.update(&block.to_be_bytes());
            block = block.checked_add(1).ok_or(MakingError::Exhausted)?;
            stream = mac.finalize().into_bytes().iter().rev().copied().collect();
        }
        match (stream.pop(), stream.pop()) {
            (Some(high), Some(low)) => Ok(u16::from_be_bytes([high, low])),
            _ => Err(MakingError::Exhausted),
        }
    })
}

/// The long word list of the Electronic Frontier Foundation for use with dice: 7,776 words, 12.9 bits each
/// (CC BY 3.0 US, <https://www.eff.org/dice>). Four of its words contain a hyphen, which does not
/// reduce the entropy.
const LIST: &str = include_str!("password/words.txt");

/// Number of words in the list, 6^5.
const COUNT: u16 = 7776;

/// Largest multiple of [`COUNT`] that 16 bits hold; numbers from there on are discarded, or the first
/// words of the list would be more frequent.
const FAIR: u16 = u16::MAX - u16::MAX % COUNT;

/// Joins `count` words that are picked by `numbers`, which are uniform over 16 bits.
fn pick<E>(count: u32, mut numbers: impl FnMut() -> Result<u16, E>) -> Result<Secret, E> {
    let list: Vec<&str> = LIST.lines().collect();
    let mut text = String::new();
    for _ in 0..count {
        let number = loop {
            let number = numbers()?;
            if number < FAIR {
                break number % COUNT;
            }
        };
        if !text.is_empty() {
            text.push('-');
        }
        text.push_str(list.get(usize::from(number)).copied().unwrap_or_default());
    }
    Ok(Secret::new(text))
}

/// Returns a password of `count` random words.
///
/// # Errors
/// When the system gives no random numbers.
pub fn generate(count: u32) -> Result<Secret, MakingError> {
    pick(count, || {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).map_err(|_| MakingError::Random)?;
        Ok(u16::from_be_bytes(bytes))
    })
}

/// Returns whether a typed text is taken for a made one: blanks around it and capitals do not count, and blanks stand for
/// hyphens.
pub fn means(typed: &Secret, made: &Secret) -> bool {
    let words: Vec<&str> = typed.expose().split_whitespace().collect();
    typed == made || Secret::new(words.join("-").to_lowercase()) == *made
}

/// Words that are tried first at any meeting.
const ALWAYS: [&str; 6] = ["jitsi", "meet", "meeting", "conference", "room", "password"];

/// Number of characters that are judged: the time grows with its square, and no good password of this length gets
/// worse by what follows.
const LOOKED_AT: usize = 50;

/// Judges the strength of a password for a room; `deny_list` holds lower-case words.
///
/// Takes milliseconds: call it where it does not block others.
pub fn judge(password: &Secret, room: &BareJid, deny_list: &HashSet<String>) -> Strength {
    let text = password.expose();
    let name = room.node().unwrap_or_default();
    let mut context: Vec<&str> = vec![name];
    context.extend(name.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2));
    context.extend(ALWAYS);
    let looked_at: String = text.chars().take(LOOKED_AT).collect();
    let score = u8::from(zxcvbn::zxcvbn(&looked_at, &context).score());
    // A word of the room's name with a digit or two still scores well, so the password must also be long enough
    // without the words of the context.
    let mut rest = looked_at.to_lowercase();
    for word in context.iter().filter(|word| word.len() > 2) {
        rest = rest.replace(&word.to_lowercase(), "");
    }
    let rest_score = if rest.chars().count() < 4 { 0 } else { score };
    Strength {
        length: u32::try_from(text.chars().count()).unwrap_or(u32::MAX),
        score: score.min(rest_score),
        denied: deny_list.contains(&text.to_lowercase()),
        code: false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::str::FromStr;

    use super::*;

    fn at(room: &str, period: u64, words: u32) -> String {
        of(Context::Password, room, period, words)
    }

    fn of(context: Context, room: &str, period: u64, words: u32) -> String {
        let secret = Secret::new("0123456789abcdef0123456789abcdef");
        let room = BareJid::from_str(room).unwrap();
        derive(context, &secret, &room, period, words).unwrap().expose().to_owned()
    }

    #[test]
    fn the_documented_vectors_hold() {
        let document = include_str!("../docs/derived-passwords.md");
        let rows: Vec<Vec<&str>> = document
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
            .collect();
        assert!(rows.len() >= 4);
        for row in rows {
            let (period, words) = (row[2].parse().unwrap(), row[3].parse().unwrap());
            assert_eq!(at(row[1], period, words), row[4], "{row:?}");
            assert_eq!(of(Context::Code, row[1], period, words), row[5], "{row:?}");
        }
    }

    #[test]
    fn the_room_and_the_period_make_another_password() {
        let base = at("tea@conference.example.org", 0, 4);
        assert_ne!(base, at("tee@conference.example.org", 0, 4));
        assert_ne!(base, at("tea@conference.example.org", 1, 4));
    }

    #[test]
    fn a_password_means_the_code_as_the_prompt_would_take_it() {
        let code = Secret::new("avoid-squall-exert-obliged");
        for typed in ["avoid-squall-exert-obliged", " Avoid squall\u{a0}EXERT  obliged "] {
            assert!(means(&Secret::new(typed), &code), "{typed}");
        }
        assert!(!means(&Secret::new("avoid-squall-exert"), &code));
    }

    #[test]
    fn periods_are_counted_from_the_epoch() {
        let day = Some(Duration::from_secs(86_400));
        assert_eq!(period_at(day, Timestamp::from_second(86_399).unwrap()), 0);
        assert_eq!(period_at(day, Timestamp::from_second(86_400).unwrap()), 1);
        assert_eq!(period_at(None, Timestamp::from_second(86_400).unwrap()), 0);
    }

    #[test]
    fn the_list_is_complete_and_has_no_word_twice() {
        let words: HashSet<&str> = LIST.lines().collect();
        assert_eq!(words.len(), usize::from(COUNT));
        assert!(words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }

    #[test]
    fn a_generated_password_has_as_many_words_as_asked_for_and_is_another_each_time() {
        let one = generate(4).unwrap();
        assert!(one.expose().split('-').count() >= 4);
        assert_ne!(one, generate(4).unwrap());
    }

    #[test]
    fn numbers_that_would_favour_some_words_are_thrown_away() {
        let mut numbers = [u16::MAX, FAIR, 1].into_iter();
        let password = pick(1, || numbers.next().ok_or(())).unwrap();
        assert_eq!(password.expose(), LIST.lines().nth(1).unwrap());
    }

    fn score(password: &str, room: &str) -> u8 {
        let room = BareJid::from_str(room).unwrap();
        judge(&Secret::new(password), &room, &HashSet::new()).score
    }

    #[test]
    fn the_room_s_own_name_is_no_password() {
        assert_eq!(score("myroomname-1", "myroomname@conference.example.org"), 0);
        assert_eq!(score("jitsi-myroomname-1", "myroomname@conference.example.org"), 0);
        assert_eq!(score("board-meeting-1", "board-meeting@conference.example.org"), 0);
    }

    #[test]
    fn good_words_are_a_good_password() {
        assert!(score("umbrella-kiwi-thunder", "tea@conference.example.org") >= 3);
        assert!(score("password", "tea@conference.example.org") < 3);
    }

    #[test]
    fn what_follows_fifty_characters_is_not_looked_at() {
        let good = "umbrella-kiwi-thunder-lantern-quartz-violet-anchor";
        assert_eq!(good.len(), LOOKED_AT);
        assert_eq!(score(&format!("{good}{}", "a".repeat(200)), "tea@conference.example.org"), 4);
        assert!(score(&"a".repeat(LOOKED_AT), "tea@conference.example.org") < 3);
        let hidden = format!("{}{good}", "a".repeat(LOOKED_AT));
        assert!(score(&hidden, "tea@conference.example.org") < 3);
    }

    #[test]
    fn the_deny_list_is_blind_to_case() {
        let room = BareJid::from_str("tea@conference.example.org").unwrap();
        let denied = HashSet::from(["acme corporation".to_owned()]);
        assert!(judge(&Secret::new("Acme Corporation"), &room, &denied).denied);
    }
}
