//! What a sender is told, by the mode it asks for (HL7 v2.5.1, 2.9).
//!
//! *Original mode* (MSH-15 and MSH-16 empty): AA once the message is durable, also when it is kept aside; AE of what is
//! kept but cannot be read, so that its sender mends it, and of what could not be stored (send again); AR of what must not
//! be sent again as it is. *Enhanced mode*: the commit acknowledgement says the same of storing (CA, CE, CR), and an
//! application acknowledgement follows on the same connection, which says AE also of what was stored but kept aside.
//! Each is sent always, never, on error or on success, as MSH-15 and MSH-16 say.

use jiff::Timestamp;

use super::taking::Verdict;
use crate::translate::hl7v2::{Complaint, Header, acknowledge, application_acknowledge};

/// Header that an acknowledgement answers when the message has none.
pub(super) const NO_HEADER: &[u8] = b"MSH|^~\\&|||||||ACK||P|2.5";

/// What goes back, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) messages: Vec<Vec<u8>>,
    /// The connection ends: what comes after cannot be told apart, or nothing else would tell of the failure.
    pub(super) close: bool,
}

/// The answers to the message of `header`.
pub(super) fn of(header: &Header, verdict: &Verdict, now: Timestamp) -> Answers {
    // An acknowledgement is not acknowledged: two nodes would never stop.
    if matches!(verdict, Verdict::Ignored) {
        return Answers::default();
    }
    let (commit, application, complaint) = said(verdict);
    if !header.is_enhanced() {
        let code = original(verdict);
        let message = acknowledge(header, code, complaint.filter(|_| code != "AA"), now);
        return Answers { messages: vec![message], close: false };
    }
    let mut messages = Vec::new();
    if asked(&header.accept_acknowledgment, commit == "CA") {
        messages.push(acknowledge(header, commit, complaint.filter(|_| commit != "CA"), now));
    }
    if let Some(code) = application
        && asked(&header.application_acknowledgment, code == "AA")
    {
        messages.push(application_acknowledge(header, code, complaint, now));
    }
    // A sender that wants no answers learns of a failure from the end of the connection alone.
    let close = messages.is_empty() && matches!(verdict, Verdict::NotStored(_));
    Answers { messages, close }
}

/// Commit code, application code (none where the commit failed), and what is wrong.
fn said(verdict: &Verdict) -> (&'static str, Option<&'static str>, Option<&Complaint>) {
    match verdict {
        Verdict::Taken | Verdict::Ignored => ("CA", Some("AA"), None),
        Verdict::Aside(complaint) => ("CA", Some("AE"), Some(complaint)),
        Verdict::Faulty(complaint) | Verdict::NotStored(complaint) => ("CE", None, Some(complaint)),
        Verdict::Rejected(complaint) => ("CR", None, Some(complaint)),
    }
}

fn original(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Taken | Verdict::Ignored | Verdict::Aside(_) => "AA",
        Verdict::Faulty(_) | Verdict::NotStored(_) => "AE",
        Verdict::Rejected(_) => "AR",
    }
}

/// Table 0155. Empty means never: the other field of the two is what asked for enhanced mode.
fn asked(condition: &str, success: bool) -> bool {
    match condition {
        "AL" => true,
        "ER" => !success,
        "SU" => success,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::hl7v2::header;

    /// MSA-1 of each answer.
    fn codes(accept: &str, application: &str, verdict: &Verdict) -> (Vec<String>, bool) {
        let message = format!("MSH|^~\\&|LIS|LAB|GW|H|20260301||ORU^R01|7|P|2.5|||{accept}|{application}\r");
        let answers = of(&header(message.as_bytes()).unwrap(), verdict, Timestamp::UNIX_EPOCH);
        let code = |bytes: &Vec<u8>| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            text.split('\r').find_map(|line| line.strip_prefix("MSA|")).unwrap()[..2].to_owned()
        };
        (answers.messages.iter().map(code).collect(), answers.close)
    }

    #[test]
    fn every_mode_gets_what_it_asked_for() {
        let complaint = || Complaint::new(Complaint::INTERNAL, "x");
        let verdicts = [
            Verdict::Taken,
            Verdict::Aside(complaint()),
            Verdict::Faulty(complaint()),
            Verdict::NotStored(complaint()),
            Verdict::Rejected(complaint()),
        ];
        let expected: [(&str, &str, [&[&str]; 5]); 9] = [
            ("", "", [&["AA"], &["AA"], &["AE"], &["AE"], &["AR"]]),
            ("AL", "AL", [&["CA", "AA"], &["CA", "AE"], &["CE"], &["CE"], &["CR"]]),
            ("AL", "NE", [&["CA"], &["CA"], &["CE"], &["CE"], &["CR"]]),
            ("AL", "", [&["CA"], &["CA"], &["CE"], &["CE"], &["CR"]]),
            ("NE", "AL", [&["AA"], &["AE"], &[], &[], &[]]),
            ("ER", "ER", [&[], &["AE"], &["CE"], &["CE"], &["CR"]]),
            ("SU", "SU", [&["CA", "AA"], &["CA"], &[], &[], &[]]),
            ("NE", "NE", [&[], &[], &[], &[], &[]]),
            ("", "AL", [&["AA"], &["AE"], &[], &[], &[]]),
        ];
        for (accept, application, wanted) in expected {
            for (verdict, wanted) in verdicts.iter().zip(wanted) {
                let (found, close) = codes(accept, application, verdict);
                assert_eq!(found, wanted, "{accept}/{application} {verdict:?}");
                let silent_failure = wanted.is_empty() && matches!(verdict, Verdict::NotStored(_));
                assert_eq!(close, silent_failure, "{accept}/{application} {verdict:?}");
            }
        }
    }

    #[test]
    fn an_acknowledgement_is_not_answered() {
        assert_eq!(codes("", "", &Verdict::Ignored), (Vec::new(), false));
    }
}
