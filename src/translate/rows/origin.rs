//! Where a row is written: a file by number and a line, so that carrying it costs a row eight bytes and a message nothing.

/// A line of a file of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Number of the file, in the order the files are laid over each other; [`super::Mappings::place`] names it.
    pub file: u16,
    /// From 1; 0 for what no file says.
    pub line: u32,
}

/// The lines of a text, for turning byte offsets into them.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        Self(memchr::memchr_iter(b'\n', text.as_bytes()).collect())
    }

    /// The line, from 1, of a byte offset.
    pub(crate) fn at(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|end| *end < offset) + 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn offsets_become_lines() {
        let lines = Lines::of("a\nbc\n\nd");
        let found: Vec<u32> = [0, 1, 2, 4, 5, 6].into_iter().map(|offset| lines.at(offset)).collect();
        assert_eq!(found, [1, 1, 2, 2, 3, 4]);
    }
}
