//! The message types and trigger events of the standard (tables 0076 and 0003 up to 2.8), to tell a message that this
//! release does not translate yet from one that nobody ever will.

/// What of MSH-9 the standard does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// MSH-9.1.
    Message,
    /// MSH-9.2.
    Event,
}

/// Table 0076, message types; those that begin with Z are local.
const MESSAGES: &[&str] = &[
    "ACK", "ADR", "ADT", "BAR", "BPS", "BRP", "BRT", "BTS", "CCF", "CCI", "CCM", "CCQ", "CCR", "CCU", "CQU", "CRM",
    "CSU", "DEL", "DEO", "DER", "DFT", "DOC", "DPR", "DRC", "DRG", "DSR", "EAC", "EAN", "EAR", "EDR", "EHC", "EQQ",
    "ERP", "ESR", "ESU", "INR", "INU", "LSR", "LSU", "MCF", "MDM", "MFD", "MFK", "MFN", "MFQ", "MFR", "NMD", "NMQ",
    "NMR", "OMB", "OMD", "OMG", "OMI", "OML", "OMN", "OMP", "OMQ", "OMS", "OPL", "OPR", "OPU", "ORA", "ORB", "ORD",
    "ORF", "ORG", "ORI", "ORL", "ORM", "ORN", "ORP", "ORR", "ORS", "ORU", "ORX", "OSM", "OSQ", "OSR", "OSU", "OUL",
    "PEX", "PGL", "PIN", "PMU", "PPG", "PPP", "PPR", "PPT", "PPV", "PRR", "PTR", "QBP", "QCK", "QCN", "QRY", "QSB",
    "QSX", "QVR", "RAR", "RAS", "RCI", "RCL", "RDE", "RDR", "RDS", "RDY", "REF", "RER", "RGR", "RGV", "ROR", "RPA",
    "RPI", "RPL", "RPR", "RQA", "RQC", "RQI", "RQP", "RQQ", "RRA", "RRD", "RRE", "RRG", "RRI", "RSP", "RTB", "SCN",
    "SDN", "SDR", "SIU", "SLN", "SLR", "SMD", "SPQ", "SQM", "SQR", "SRM", "SRR", "SSR", "SSU", "STC", "STI", "SUR",
    "TBR", "TCR", "TCU", "UDF", "UDM", "VQQ", "VTQ", "VXQ", "VXR", "VXU", "VXX",
];

/// Table 0003: by its first letter, the highest number in use.
const EVENTS: &[(char, u8)] = &[
    ('A', 62),
    ('B', 8),
    ('C', 12),
    ('E', 31),
    ('I', 22),
    ('J', 2),
    ('K', 34),
    ('M', 18),
    ('N', 2),
    ('O', 59),
    ('P', 12),
    ('Q', 34),
    ('R', 43),
    ('S', 37),
    ('T', 12),
    ('U', 14),
    ('V', 4),
    ('W', 2),
];

/// What is unknown to the standard; nothing where MSH-9.1 is empty, for then it is the whole header that is doubtful, nor
/// where MSH-9.2 is, for old senders put the event into EVN-1.
pub(super) fn fault(code: &str, trigger: &str) -> Option<Fault> {
    if code.is_empty() {
        return None;
    }
    if !code.starts_with('Z') && !MESSAGES.contains(&code) {
        return Some(Fault::Message);
    }
    (!is_event(trigger)).then_some(Fault::Event)
}

fn is_event(trigger: &str) -> bool {
    // Local by agreement, as Japan's ZD1 and Z23; and the pathways, PC1 to PCL.
    if trigger.is_empty() || trigger.starts_with('Z') {
        return true;
    }
    if let Some(pathway) = trigger.strip_prefix("PC") {
        return pathway.len() == 1 && pathway.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'L').contains(&b));
    }
    let mut characters = trigger.chars();
    let letter = characters.next();
    let number = characters.as_str();
    let known = EVENTS.iter().find(|(first, _)| Some(*first) == letter);
    known.is_some_and(|(_, last)| number.len() == 2 && number.parse::<u8>().is_ok_and(|n| (1..=*last).contains(&n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_s_messages_are_told_from_invented_ones() {
        for (code, trigger) in [
            ("ADT", "A01"),
            ("ADT", "A60"),
            ("PPR", "PC1"),
            ("PPR", "ZD1"),
            ("OMI", "Z23"),
            ("ZZZ", "Z01"),
            ("ADT", ""),
            ("", ""),
            ("OUL", "R22"),
            ("VXU", "V04"),
            ("REF", "I12"),
            ("MDM", "T02"),
            ("SIU", "S26"),
            ("OML", "O33"),
        ] {
            assert_eq!(fault(code, trigger), None, "{code}^{trigger}");
        }
        for (code, trigger) in [("ADT", "A99"), ("ORU", "X01"), ("ADT", "A1"), ("PPR", "PCX"), ("ADT", "A00")] {
            assert_eq!(fault(code, trigger), Some(Fault::Event), "{code}^{trigger}");
        }
        assert_eq!(fault("XYZ", "A01"), Some(Fault::Message));
    }
}
