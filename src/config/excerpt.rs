//! Lines of the file, as far as they may be shown.

use std::ops::Range;

/// Where the lines begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(after.map(|(at, _)| at.saturating_add(1))).collect())
    }

    /// The 1-based line and column (in characters) of a byte.
    pub(super) fn position(&self, text: &str, at: usize) -> (u32, u32) {
        let line = self.0.partition_point(|start| *start <= at);
        let start = self.0.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = text.get(start..at).map_or(0, |before| before.chars().count());
        (count(line), count(column.saturating_add(1)))
    }

    /// The bytes of a 1-based line, without its end and the blanks around it.
    pub(super) fn span(&self, text: &str, line: u32) -> Option<Range<usize>> {
        let line = usize::try_from(line).ok()?;
        let start = self.0.get(line.checked_sub(1)?).copied()?;
        let end = self.0.get(line).copied().unwrap_or(text.len());
        let whole = text.get(start..end)?;
        let start = start.saturating_add(whole.len().saturating_sub(whole.trim_start().len()));
        Some(start..start.saturating_add(whole.trim().len()))
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Longest piece of a line that is shown, in characters.
const WIDTH: usize = 100;

/// A text of which parts are hidden.
pub(super) struct Excerpt<'a> {
    pub(super) text: &'a str,
    pub(super) lines: &'a Lines,
    pub(super) hidden: &'a [Range<usize>],
}

impl Excerpt<'_> {
    /// The line that `span` begins on, with `…` for what is hidden, and the characters of it that are
    /// meant. `None`: it is all hidden, or not worth showing.
    pub(super) fn show(&self, span: &Range<usize>) -> Option<(String, Range<usize>)> {
        if self.hidden.iter().any(|hidden| hidden.start < span.end && span.start < hidden.end) {
            return None;
        }
        let (line, column) = self.lines.position(self.text, span.start);
        let start = self.lines.0.get(usize::try_from(line).ok()?.checked_sub(1)?).copied()?;
        let line = self.text.get(start..)?.lines().next()?;
        if line.trim().is_empty() {
            return None;
        }
        let (mut shown, mut meant, mut in_hidden) = (String::new(), 0..0, false);
        let mut width: usize = 0;
        for (offset, c) in line.char_indices() {
            let at = start.saturating_add(offset);
            if at <= span.start {
                meant = width..width;
            }
            let is_hidden = self.hidden.iter().any(|hidden| hidden.contains(&at));
            if is_hidden && in_hidden {
                continue;
            }
            in_hidden = is_hidden;
            shown.push(if is_hidden { '…' } else { c });
            width = width.saturating_add(1);
            if at < span.end {
                meant.end = width;
            }
        }
        if span.start >= start.saturating_add(line.len()) {
            meant = width..width.saturating_add(1);
        }
        let too_far = usize::try_from(column).ok()? > WIDTH;
        if too_far {
            return None;
        }
        if width > WIDTH {
            shown = shown.chars().take(WIDTH).chain(['…']).collect();
            meant.end = meant.end.min(WIDTH);
        }
        Some((shown, meant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(
        text: &str,
        span: Range<usize>,
        hidden: Range<usize>,
    ) -> Option<(String, Range<usize>)> {
        Excerpt { text, lines: &Lines::of(text), hidden: &[hidden] }.show(&span)
    }

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let text = "a\n  ä = 1\n";
        let lines = Lines::of(text);
        assert_eq!(lines.position(text, 0), (1, 1));
        assert_eq!(lines.position(text, 7), (2, 5));
        assert_eq!(lines.span(text, 2), Some(4..10));
        assert_eq!(lines.span(text, 9), None);
    }

    #[test]
    fn what_is_hidden_does_not_show() {
        let text = "{ secret = 'hunter2', x = 1 }";
        assert_eq!(show(text, 22..23, 11..20), Some(("{ secret = …, x = 1 }".to_owned(), 14..15)));
        assert_eq!(show(text, 11..20, 11..20), None);
    }
}
