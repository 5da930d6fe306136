//! Adding lines to a text beside lines that are known. Sorted lists stay sorted.

use std::ops::Range;

/// What a row would have to stand beside, and is not there.
#[derive(Debug)]
pub(crate) struct NoAnchor(pub(crate) String);

/// A text's lines, with their ends.
pub(crate) struct Lines<'a>(Vec<&'a str>);

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self(text.split_inclusive('\n').collect())
    }

    pub(crate) fn all(&self) -> &[&'a str] {
        &self.0
    }

    /// The first line from `from` on that begins like this.
    pub(crate) fn starting(&self, start: &str, from: usize) -> Result<usize, NoAnchor> {
        let found = self.0.iter().skip(from).position(|line| line.starts_with(start));
        found.map(|at| at + from).ok_or_else(|| NoAnchor(format!("a line `{}`", start.trim())))
    }

    /// The last line that begins like this.
    pub(crate) fn last_starting(&self, start: &str) -> Result<usize, NoAnchor> {
        let found = self.0.iter().rposition(|line| line.starts_with(start));
        found.ok_or_else(|| NoAnchor(format!("a line `{}`", start.trim())))
    }

    /// The lines after the first that begins like `start`, up to the next that is `end`.
    pub(crate) fn section(&self, start: &str, end: &str) -> Result<Range<usize>, NoAnchor> {
        let from = self.starting(start, 0)? + 1;
        let length = self.0[from..].iter().position(|line| line.trim_end() == end);
        let length = length.ok_or_else(|| NoAnchor(format!("the end of `{}`", start.trim())))?;
        Ok(from..from + length)
    }

    /// Where a line belongs in a sorted section.
    pub(crate) fn sorted(&self, section: Range<usize>, line: &str) -> usize {
        let later = self.0[section.clone()].iter().position(|other| *other > line);
        later.map_or(section.end, |later| section.start + later)
    }

    /// The text with lines before the one at `at`.
    pub(crate) fn with(&self, at: usize, added: &str) -> String {
        let (before, after) = self.0.split_at(at);
        [before.concat(), added.to_owned(), after.concat()].concat()
    }
}

/// The text with lines before the first that begins like this.
pub(crate) fn before(text: &str, start: &str, added: &str) -> Result<String, NoAnchor> {
    let lines = Lines::of(text);
    Ok(lines.with(lines.starting(start, 0)?, added))
}

/// The text with lines after the last that begins like this.
pub(crate) fn after_last(text: &str, start: &str, added: &str) -> Result<String, NoAnchor> {
    let lines = Lines::of(text);
    Ok(lines.with(lines.last_starting(start)? + 1, added))
}

/// The text with a line in a sorted section, which ends at a line that is `end`.
pub(crate) fn into_sorted(text: &str, start: &str, end: &str, line: &str) -> Result<String, NoAnchor> {
    let lines = Lines::of(text);
    let section = lines.section(start, end)?;
    Ok(lines.with(lines.sorted(section, line), line))
}

/// The text with lines at the end of a section, which ends at a line that is `end`.
pub(crate) fn at_end(text: &str, start: &str, end: &str, added: &str) -> Result<String, NoAnchor> {
    let lines = Lines::of(text);
    Ok(lines.with(lines.section(start, end)?.end, added))
}

/// The text in which the first array that is declared like `start` has one element more: `[T; 5]` becomes `[T; 6]`.
pub(crate) fn one_more(text: &str, start: &str) -> Result<String, NoAnchor> {
    let none = || NoAnchor(format!("the length of `{start}`"));
    let declared = text.find(start).ok_or_else(none)?;
    let number = declared + text[declared..].find("; ").ok_or_else(none)? + 2;
    let end = number + text[number..].find(']').ok_or_else(none)?;
    let length: usize = text[number..end].parse().map_err(|_| none())?;
    Ok(format!("{}{}{}", &text[..number], length + 1, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_where_it_sorts_and_a_missing_neighbour_is_named() {
        let text = "[a]\nb = 1\nd = 1\n\n[e]\na = 1\n";
        let with = |line| into_sorted(text, "[a]", "", line).unwrap();
        assert_eq!(with("c = 1\n"), "[a]\nb = 1\nc = 1\nd = 1\n\n[e]\na = 1\n");
        assert_eq!(with("e = 1\n"), "[a]\nb = 1\nd = 1\ne = 1\n\n[e]\na = 1\n");
        assert_eq!(into_sorted(text, "[x]", "", "c\n").unwrap_err().0, "a line `[x]`");
        assert_eq!(into_sorted(text, "[e]", "", "c\n").unwrap_err().0, "the end of `[e]`");
    }

    #[test]
    fn an_array_grows_by_one() {
        assert_eq!(one_more("const A: [&str; 9] = [", "const A: ").unwrap(), "const A: [&str; 10] = [");
        assert!(one_more("const A: &[&str] = [1; 2]", "const B: ").is_err());
    }
}
