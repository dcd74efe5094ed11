//! What the writer of an unknown word may have meant.

/// Longer words are not compared: the comparison takes time with the square of the length.
const LONGEST: usize = 64;

/// The candidate that looks most like `word`, if one looks alike at all.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.to_lowercase().replace('-', "_");
            let distance = strsim::osa_distance(&word, &other);
            let is_part = word.len() >= 4
                && other.len() >= 4
                && (other.contains(&word) || word.contains(&other));
            let near = distance <= (word.len().min(other.len()) / 3).max(1);
            (near || is_part).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The sentence that proposes it.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_put_right_and_another_word_is_left_alone() {
        let keys = ["at_occupants", "after", "by"];
        assert_eq!(nearest("at_ocupants", keys), Some("at_occupants"));
        assert_eq!(nearest("at-occupants", keys), Some("at_occupants"));
        assert_eq!(nearest("occupants", keys), Some("at_occupants"));
        assert_eq!(nearest("afetr", keys), Some("after"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest(&"a".repeat(100_000), keys), None);
    }
}
