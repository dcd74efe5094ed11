//! Passwords that can be said aloud: words of a list, with hyphens between.

use crate::secret::Secret;

/// The long list of the Electronic Frontier Foundation for use with dice: 7,776 words, 12.9 bits each
/// (CC BY 3.0 US, <https://www.eff.org/dice>). Four of its words have a hyphen of their own, which
/// takes nothing from the entropy.
const LIST: &str = include_str!("words.txt");

/// The number of words in the list, 6^5.
const COUNT: u16 = 7776;

/// The largest multiple of [`COUNT`] that 16 bits hold; what lies above is thrown away, or the first
/// words of the list would come up more often.
const FAIR: u16 = u16::MAX - u16::MAX % COUNT;

/// The system has no randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct RandomnessFailed;

/// Joins `count` words, picked by numbers from `numbers` (uniform over 16 bits).
///
/// # Errors
/// Those of `numbers`.
pub(super) fn pick<E>(
    count: u32,
    mut numbers: impl FnMut() -> Result<u16, E>,
) -> Result<Secret, E> {
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

/// A password of `count` random words.
///
/// # Errors
/// When the system gives no random numbers.
pub fn generate(count: u32) -> Result<Secret, RandomnessFailed> {
    pick(count, || {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).map_err(|_| RandomnessFailed)?;
        Ok(u16::from_be_bytes(bytes))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

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
}
