//! The segments and fields of HL7 v2, by version.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Segment to the versions that changed the number of its fields, the oldest first.
static SEGMENTS: LazyLock<HashMap<&str, Vec<(&str, u16)>>> = LazyLock::new(|| {
    let text = include_str!("../../../config/standards/hl7v2-segments.txt");
    let read = |line: &'static str| {
        let mut words = line.split(' ');
        let name = words.next()?;
        let counts = words.filter_map(|word| word.split_once(':').and_then(|(v, n)| Some((v, n.parse().ok()?))));
        Some((name, counts.collect()))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(read).collect()
});

/// What is doubtful about a segment's name.
pub(super) fn segment(name: &str) -> Option<String> {
    let is_known = name.starts_with('Z') || SEGMENTS.contains_key(name);
    (!is_known).then(|| format!("segment {name}: HL7 v2 has no such segment; a hospital's own begin with Z"))
}

/// What is doubtful about a field's number.
pub(super) fn field(segment: &str, field: u16) -> Option<String> {
    let versions = SEGMENTS.get(segment)?;
    let (_, most) = versions.iter().max_by_key(|(_, count)| *count)?;
    (field > *most).then(|| format!("{segment} has {most} fields in HL7 v2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_some_version() {
        assert_eq!(field("PID", 40), None);
        assert!(field("PID", 41).is_some());
        assert_eq!(field("ZZZ", 900), None);
        assert!(segment("PIX").is_some() && segment("ZPI").is_none() && segment("OBX").is_none());
    }
}
