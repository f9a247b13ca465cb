//! Segments into groups by the rows of the message. Tolerant: a segment that fits nowhere stays with the message and
//! closes nothing, so a stray segment does not tear a result from its order.

use crate::translate::hl7v2::message::Message;
use crate::translate::rows::file::GroupRow;

/// A group of segments of one message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    /// Name of its row; empty for the message itself, the first group.
    pub name: &'a str,
    /// The group it stands in.
    pub parent: Option<usize>,
    /// Its own segments, not those of groups within.
    pub segments: Vec<usize>,
}

/// Puts every segment into one group; the first group is the message.
pub(crate) fn arrange<'a>(message: &Message, rows: &'a [GroupRow]) -> Vec<Group<'a>> {
    let mut groups = vec![Group::default()];
    let mut current = 0;
    for (index, segment) in message.segments.iter().enumerate() {
        let mut at = current;
        loop {
            if let Some(row) = rows.iter().find(|row| row.name == groups[at].name)
                && continues(message, row, &groups[at], &segment.name)
            {
                groups[at].segments.push(index);
                current = at;
                break;
            }
            let chain = opening(rows, groups[at].name, &segment.name);
            if !chain.is_empty() {
                for name in chain {
                    groups.push(Group { name, parent: Some(at), segments: Vec::new() });
                    at = groups.len() - 1;
                }
                groups[at].segments.push(index);
                current = at;
                break;
            }
            match groups[at].parent {
                Some(parent) => at = parent,
                None => {
                    groups[0].segments.push(index);
                    break;
                }
            }
        }
    }
    groups
}

/// Whether the segment belongs to the open group, or begins the next of its kind.
fn continues(message: &Message, row: &GroupRow, group: &Group<'_>, name: &str) -> bool {
    if row.members.iter().any(|member| member == name) {
        return true;
    }
    let Some(rank) = row.starts.iter().position(|start| start == name) else { return false };
    if row.run && group.segments.iter().all(|index| message.segments[*index].name == name) {
        return true;
    }
    let reached = |index: &usize| row.starts.iter().position(|start| *start == message.segments[*index].name);
    !group.segments.iter().filter_map(reached).any(|other| other >= rank)
}

/// The groups to open within `parent` so that the segment can begin the last of them.
fn opening<'a>(rows: &'a [GroupRow], parent: &str, name: &str) -> Vec<&'a str> {
    for row in rows.iter().filter(|row| row.within.as_deref().unwrap_or("") == parent) {
        if row.starts.iter().any(|start| start == name) {
            return vec![&row.name];
        }
    }
    for row in rows.iter().filter(|row| row.within.as_deref().unwrap_or("") == parent) {
        let mut inner = opening(rows, &row.name, name);
        if !inner.is_empty() {
            inner.insert(0, &row.name);
            return inner;
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::hl7v2::charset::Charset;
    use crate::translate::hl7v2::message::parse;

    fn row(name: &str, within: Option<&str>, starts: &[&str], members: &[&str]) -> GroupRow {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        GroupRow {
            name: name.to_owned(),
            within: within.map(str::to_owned),
            starts: list(starts),
            members: list(members),
            run: false,
        }
    }

    fn shape(segments: &str, rows: &[GroupRow]) -> String {
        let text = segments.split(' ').fold("MSH|^~\\&|A".to_owned(), |text, name| format!("{text}\r{name}|1"));
        let (message, _) = parse(&text, Charset::Utf8).unwrap();
        let name = |index: &usize| message.segments[*index].name.clone();
        let groups = arrange(&message, rows);
        groups
            .iter()
            .map(|group| format!("{}:{}", group.name, group.segments.iter().map(name).collect::<Vec<_>>().join(",")))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn orders_with_and_without_orc() {
        let rows = [
            row("order", None, &["ORC", "OBR"], &["NTE"]),
            row("observation", Some("order"), &["OBX"], &["NTE"]),
            row("specimen", Some("order"), &["SPM"], &[]),
        ];
        assert_eq!(
            shape("PID ORC OBR NTE OBX NTE OBX SPM ORC OBR OBX", &rows),
            ":MSH,PID order:ORC,OBR,NTE observation:OBX,NTE observation:OBX specimen:SPM order:ORC,OBR observation:OBX"
        );
        assert_eq!(
            shape("PID OBR OBX OBR ZXX OBX", &rows),
            ":MSH,PID,ZXX order:OBR observation:OBX order:OBR observation:OBX"
        );
        // An OBX before any order opens the order it would stand in.
        assert_eq!(shape("PID OBX", &rows), ":MSH,PID order: observation:OBX");
    }

    #[test]
    fn one_route_serves_the_medicines_before_it() {
        let mut rows = [row("order", None, &["ORC"], &[]), row("administration", Some("order"), &["RXA"], &["RXR"])];
        rows[1].run = true;
        assert_eq!(
            shape("PID ORC RXA RXA RXR RXA RXR", &rows),
            ":MSH,PID order:ORC administration:RXA,RXA,RXR administration:RXA,RXR"
        );
    }

    #[test]
    fn jahis_puts_orc_after_obr() {
        let rows = [
            row("specimen", None, &["SPM"], &["SAC"]),
            row("order", Some("specimen"), &["OBR"], &["ORC", "NTE"]),
            row("observation", Some("order"), &["OBX"], &["NTE"]),
        ];
        assert_eq!(
            shape("PID SPM OBR ORC OBX OBX OBR ORC OBX SPM OBR", &rows),
            ":MSH,PID specimen:SPM order:OBR,ORC observation:OBX observation:OBX order:OBR,ORC observation:OBX specimen:SPM order:OBR"
        );
    }
}
