//! The names by which the rules know a room.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// How a room's name may be spelt in a rule: as it is, without Jitsi's tenant in front (`[acme]tea`), and each as
/// people read what Jitsi's clients percent-encode (`caf%c3%a9`). An ordinary name has one spelling, and costs no
/// allocation.
pub(super) fn spellings(name: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let written = [Some(name), without_tenant(name)].into_iter().flatten();
    written.flat_map(|spelling| [Some(Cow::Borrowed(spelling)), decoded(spelling)]).flatten()
}

fn without_tenant(name: &str) -> Option<&str> {
    name.strip_prefix('[')?.split_once(']').map(|(_, rest)| rest).filter(|rest| !rest.is_empty())
}

fn decoded(name: &str) -> Option<Cow<'_, str>> {
    if !name.contains('%') {
        return None;
    }
    let decoded = percent_decode_str(name).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str) -> Vec<String> {
        spellings(name).map(Cow::into_owned).collect()
    }

    #[test]
    fn a_room_is_known_by_the_name_that_people_read() {
        assert_eq!(all("tea"), ["tea"]);
        assert_eq!(all("[acme]tea"), ["[acme]tea", "tea"]);
        assert_eq!(all("caf%c3%89"), ["caf%c3%89", "café"]);
        assert_eq!(all("[acme]caf%c3%a9").last().unwrap(), "café");
    }

    #[test]
    fn what_is_no_text_and_no_tenant_stays_as_it_is() {
        assert_eq!(all("100%"), ["100%", "100%"]);
        assert_eq!(all("%ff"), ["%ff"]);
        assert_eq!(all("[acme]"), ["[acme]"]);
        assert_eq!(all("[acme"), ["[acme"]);
    }
}
