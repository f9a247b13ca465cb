//! Whose turn it is: always one answer, from the state and the last open question.

use crate::store::referrals::{Referral, ReferralEvent};

/// Who has to do something next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// This institution.
    Ours,
    /// The other one.
    Theirs,
    /// The message is on its way; nobody has to do anything.
    Underway,
    /// It has ended.
    Nobody,
}

/// The turn of a referral at the institution `here`.
pub fn turn(here: &str, referral: &Referral, events: &[ReferralEvent]) -> Turn {
    let is_sender = referral.role == "sent";
    match referral.status.as_str() {
        "completed" | "rejected" | "cancelled" | "entered-in-error" => return Turn::Nobody,
        "requested" => return Turn::Underway,
        // Only a sender has drafts, and only a sender sees that delivery was given up.
        "draft" | "failed" => return Turn::Ours,
        _ => {}
    }
    if let Some(asker) = open_question(events) {
        return if asker == here { Turn::Theirs } else { Turn::Ours };
    }
    // From receipt to outcome the institution asked acts: it decides, books, treats, confirms a cancellation.
    if is_sender { Turn::Theirs } else { Turn::Ours }
}

/// Who asked the last question that the other side has not answered.
pub fn open_question(events: &[ReferralEvent]) -> Option<&str> {
    let mut open = None;
    for event in events {
        match event.event.as_str() {
            "ask" => open = Some(event.institution.as_str()),
            "answer" if open.is_some_and(|asker| asker != event.institution) => open = None,
            _ => {}
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn referral(role: &str, status: &str) -> Referral {
        Referral {
            id: "r".to_owned(),
            role: role.to_owned(),
            peer: "tokyo".to_owned(),
            patient: None,
            patient_name: String::new(),
            status: status.to_owned(),
            business_status: None,
            service: String::new(),
            priority: "routine".to_owned(),
            message_id: String::new(),
            package: Vec::new(),
            outcome: None,
            created_at: String::new(),
            updated_at: String::new(),
        }
    }

    fn event(event: &str, institution: &str) -> ReferralEvent {
        ReferralEvent {
            referral: "r".to_owned(),
            event: event.to_owned(),
            institution: institution.to_owned(),
            actor: String::new(),
            from: String::new(),
            to: String::new(),
            note: None,
            message_id: None,
            at: String::new(),
        }
    }

    #[test]
    fn the_state_gives_the_turn() {
        let cases = [
            ("sent", "requested", Turn::Underway),
            ("sent", "received", Turn::Theirs),
            ("received", "received", Turn::Ours),
            ("received", "in-progress", Turn::Ours),
            ("sent", "failed", Turn::Ours),
            ("sent", "completed", Turn::Nobody),
        ];
        for (role, status, expected) in cases {
            assert_eq!(turn("toronto", &referral(role, status), &[]), expected, "{role} {status}");
        }
    }

    #[test]
    fn a_question_turns_it_until_answered() {
        let sent = referral("sent", "received");
        assert_eq!(turn("toronto", &sent, &[event("ask", "tokyo")]), Turn::Ours);
        assert_eq!(turn("toronto", &sent, &[event("ask", "tokyo"), event("answer", "toronto")]), Turn::Theirs);
        assert_eq!(turn("toronto", &sent, &[event("ask", "tokyo"), event("answer", "tokyo")]), Turn::Ours);
        let received = referral("received", "accepted");
        assert_eq!(turn("tokyo", &received, &[event("ask", "tokyo")]), Turn::Theirs);
    }
}
