//! Taking one message in, and what there is to tell its sender.

use super::known_types;
use crate::intake::Intake;
use crate::intake::receive::{Incoming, receive};
use crate::translate::hl7v2::{self, Complaint, Header};
use crate::translate::{Refused, RefusedCode};

/// What became of a message. All but `NotStored` and a broken frame are durable by the time this exists.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// In the record.
    Taken,
    /// Kept aside: readable, but not something this node can file.
    Aside(Complaint),
    /// Kept aside: its sender must mend it.
    Faulty(Complaint),
    /// Not to be sent again as it is.
    Rejected(Complaint),
    /// Not stored: to be sent again.
    NotStored(Complaint),
    /// An acknowledgement: nothing to store, nothing to answer.
    Ignored,
}

/// Takes `message` in at the door called `name`. Blocks.
pub(super) fn take(intake: &Intake, name: &str, senders: &Senders, message: &[u8]) -> Verdict {
    let header = hl7v2::header(message);
    if let Some(header) = &header
        && matches!(header.message_code.as_str(), "ACK" | "MCF")
    {
        tracing::info!(door = name, control_id = header.control_id, "an acknowledgement came in; nothing to do");
        return Verdict::Ignored;
    }
    let rejected = header.as_ref().and_then(|header| unacceptable(header, senders));
    let translation = match &rejected {
        Some((refused, _)) => Err(refused.clone()),
        None => hl7v2::translate(&intake.mappings, &intake.setting, message),
    };
    let complaint = translation.as_ref().err().map(|refused| verdict_of(refused, rejected.as_ref().map(|(_, c)| *c)));
    let application = header.map(|header| header.sending_application).unwrap_or_default();
    let source = if name == "mllp" { application } else { format!("{name}: {application}") };
    let incoming = Incoming { channel: "mllp", source: &source, raw: message };
    match receive(intake, incoming, translation) {
        Ok(received) => match (complaint, received.quarantined) {
            (Some(verdict), _) => verdict,
            (None, Some(reason)) => Verdict::Aside(Complaint::new(Complaint::INTERNAL, &reason)),
            (None, None) => Verdict::Taken,
        },
        Err(error) => {
            tracing::error!(%error, "an MLLP message could not be stored");
            let text = "the message was not stored; send it again";
            Verdict::NotStored(Complaint::new(Complaint::INTERNAL, text))
        }
    }
}

/// What the header alone forbids, with the error condition (table 0357).
fn unacceptable(header: &Header, senders: &Senders) -> Option<(Refused, &'static str)> {
    let refused = |code, place: &str, reason: &str| Refused {
        kind: header.kind(),
        control_id: header.control_id.clone(),
        reason: reason.to_owned(),
        place: Some(place.to_owned()),
        code,
    };
    if !senders.allow(header) {
        let reason = "the sender (MSH-3, MSH-4) is not one this door takes; add it to senders of the door in [mllp]";
        return Some((refused(RefusedCode::Invalid, "MSH-4", reason), Complaint::UNKNOWN_KEY));
    }
    if header.control_id.is_none() {
        let reason = "MSH-10 is empty: without a control id no acknowledgement can name the message";
        return Some((refused(RefusedCode::Invalid, "MSH-10", reason), Complaint::FIELD_MISSING));
    }
    if header.version.is_empty() {
        let reason = "MSH-12 is empty: the message does not say which version of HL7 it follows";
        return Some((refused(RefusedCode::Invalid, "MSH-12", reason), Complaint::FIELD_MISSING));
    }
    let reason = "HL7 has no such message: MSH-9 names neither a message of the standard nor a local one (Z…)";
    match known_types::fault(&header.message_code, &header.trigger)? {
        known_types::Fault::Message => {
            Some((refused(RefusedCode::UnsupportedType, "MSH-9.1", reason), Complaint::MESSAGE_TYPE))
        }
        known_types::Fault::Event => {
            Some((refused(RefusedCode::UnsupportedType, "MSH-9.2", reason), Complaint::EVENT_CODE))
        }
    }
}

fn verdict_of(refused: &Refused, rejected: Option<&'static str>) -> Verdict {
    let complaint = |condition| Complaint { condition, text: refused.reason.clone(), place: refused.place.clone() };
    if let Some(condition) = rejected {
        return Verdict::Rejected(complaint(condition));
    }
    match refused.code {
        RefusedCode::Unreadable | RefusedCode::Truncated => Verdict::Faulty(complaint(Complaint::SEQUENCE)),
        RefusedCode::Encoding => Verdict::Faulty(complaint(Complaint::DATA_TYPE)),
        RefusedCode::MissingPatient => Verdict::Aside(complaint(Complaint::FIELD_MISSING)),
        RefusedCode::UnsupportedType => Verdict::Aside(complaint(Complaint::EVENT_CODE)),
        _ => Verdict::Aside(complaint(Complaint::DATA_TYPE)),
    }
}

/// The senders a door takes.
#[derive(Debug, Clone, Default)]
pub struct Senders(Vec<(Option<String>, String)>);

impl Senders {
    /// From `facility` and `application|facility`.
    pub fn new(listed: &[String]) -> Self {
        let pair = |text: &String| match text.split_once('|') {
            Some((application, facility)) => (Some(application.to_owned()), facility.to_owned()),
            None => (None, text.clone()),
        };
        Self(listed.iter().map(pair).collect())
    }

    /// Whether the message of `header` is of one of them.
    fn allow(&self, header: &Header) -> bool {
        let first = |field: &str| field.split(header.delimiters.component).next().unwrap_or("").to_owned();
        let (application, facility) = (first(&header.sending_application), first(&header.sending_facility));
        let fits = |(app, fac): &(Option<String>, String)| {
            *fac == facility && app.as_ref().is_none_or(|app| *app == application)
        };
        self.0.is_empty() || self.0.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_told_by_application_and_facility() {
        let header = |application: &str, facility: &str| {
            hl7v2::header(format!("MSH|^~\\&|{application}|{facility}|||2026||ADT^A01|1|P|2.5").as_bytes()).unwrap()
        };
        let listed = Senders::new(&["LIS|LAB".to_owned(), "ADMISSIONS".to_owned()]);
        assert!(listed.allow(&header("LIS", "LAB^1.2.3^ISO")));
        assert!(listed.allow(&header("ANY", "ADMISSIONS")));
        assert!(!listed.allow(&header("OTHER", "LAB")));
        assert!(!listed.allow(&header("LIS", "")));
        assert!(Senders::default().allow(&header("", "")));
    }
}
