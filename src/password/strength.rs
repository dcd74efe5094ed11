//! The strength of passwords.

use std::collections::HashSet;

use crate::jid::BareJid;
use crate::policy::strength::Strength;
use crate::secret::Secret;

/// Words that everybody tries first at a meeting.
const ALWAYS: [&str; 6] = ["jitsi", "meet", "meeting", "conference", "room", "password"];

/// Characters that are judged: the time grows with the square of their number, and no good password of this length
/// gets worse by what follows.
const LOOKED_AT: usize = 50;

/// Judges a password for a room; `deny_list` holds lower-case words.
///
/// Takes milliseconds: call it where that blocks nobody.
pub fn judge(password: &Secret, room: &BareJid, deny_list: &HashSet<String>) -> Strength {
    let text = password.expose();
    let name = room.node().unwrap_or_default();
    let mut context: Vec<&str> = vec![name];
    context.extend(name.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2));
    context.extend(ALWAYS);
    let looked_at: String = text.chars().take(LOOKED_AT).collect();
    let score = u8::from(zxcvbn::zxcvbn(&looked_at, &context).score());
    // A word of the room's own, dressed up with a digit or two, still scores well: what is left of the
    // password without the words of the context has to carry it.
    let mut rest = looked_at.to_lowercase();
    for word in context.iter().filter(|word| word.len() > 2) {
        rest = rest.replace(&word.to_lowercase(), "");
    }
    let rest_score = if rest.chars().count() < 4 { 0 } else { score };
    Strength {
        length: u32::try_from(text.chars().count()).unwrap_or(u32::MAX),
        score: score.min(rest_score),
        denied: deny_list.contains(&text.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

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
