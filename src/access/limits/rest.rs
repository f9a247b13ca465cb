//! The rooms of the store that hold no clinical record: as they are.

use super::Permitted;
use crate::store::StoreError;
use crate::store::View;
use crate::store::access::{AccessView, ApiToken, Client, Session, SignInLink};
use crate::store::audit::{AuditView, ChainedEntry};
use crate::store::cohorts::{Answer, CohortView, Question};
use crate::store::deliveries::{Delivery, DeliveryView, SeenMessage};
use crate::store::filings::{Filing, FilingView};
use crate::store::losses::{LossFilter, LossTotal, LossView};
use crate::store::messages::{MessageCounts, MessageFilter, MessageRecord, MessageView, SeenFile};
use crate::store::peers::{Invite, Peer, PeerView, SigningKey};
use crate::store::referrals::{Referral, ReferralEvent, ReferralView};
use crate::store::requests::{ChainedRequest, Hash, RequestView, Segment};

/// Questions that are handed on.
macro_rules! pass_on {
    ($room:ident { $($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* }) => {
        impl $room for Permitted<'_> {
            $(fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                self.view.$name($($argument),*)
            })*
        }
    };
}

pass_on!(MessageView {
    message(id: &str) -> Option<MessageRecord>;
    messages(filter: &MessageFilter) -> Vec<MessageRecord>;
    is_known(channel: &str, source: &str, sha256: &str) -> bool;
    seen_file(channel: &str, feed: &str, source: &str) -> Option<SeenFile>;
    message_counts() -> MessageCounts;
});

pass_on!(LossView {
    loss_totals(filter: &LossFilter) -> Vec<LossTotal>;
});

pass_on!(PeerView {
    peer(id: &str) -> Option<Peer>;
    peer_by_certificate(sha256: &str) -> Option<Peer>;
    peers() -> Vec<Peer>;
    signing_keys(institution: &str) -> Vec<SigningKey>;
    any_open_invite(now: &str) -> bool;
    invite(secret_sha256: &str) -> Option<Invite>;
});

pass_on!(DeliveryView {
    delivery(message_id: &str) -> Option<Delivery>;
    deliveries(status: &str, limit: usize) -> Vec<Delivery>;
    seen_after(peer: &str, message_id: &str, limit: usize) -> Vec<SeenMessage>;
    seen(peer: &str, message_id: &str) -> Option<SeenMessage>;
});

pass_on!(FilingView {
    filing(id: &str) -> Option<Filing>;
    filings(status: &str, limit: usize) -> Vec<Filing>;
    filings_of(referral: &str) -> Vec<Filing>;
    filings_due(now: &str) -> Vec<Filing>;
});

pass_on!(ReferralView {
    referral(id: &str) -> Option<Referral>;
    referrals(role: &str, limit: usize) -> Vec<Referral>;
    referral_events(id: &str) -> Vec<ReferralEvent>;
    referral_by_message(message_id: &str) -> Option<Referral>;
});

pass_on!(CohortView {
    question(sha256: &str) -> Option<Question>;
    questions(limit: usize) -> Vec<Question>;
    answers(question_sha256: &str) -> Vec<Answer>;
});

pass_on!(AccessView {
    sign_in_link(secret_sha256: &str) -> Option<SignInLink>;
    session(secret_sha256: &str) -> Option<Session>;
    api_token(secret_sha256: &str) -> Option<ApiToken>;
    client(id: &str) -> Option<Client>;
    clients() -> Vec<Client>;
});

pass_on!(AuditView {
    audit_chains() -> Vec<String>;
    audit_entries(chain: &str, from_position: u64, limit: usize) -> Vec<ChainedEntry>;
    audit_head(chain: &str) -> Option<(u64, String)>;
    audit_tail(limit: usize) -> Vec<ChainedEntry>;
});

pass_on!(RequestView {
    request_chains() -> Vec<String>;
    requests(chain: &str, from_position: u64, limit: usize) -> Vec<ChainedRequest>;
    request_segments(chain: &str, before: u64, limit: usize) -> Vec<Segment>;
    request_head(chain: &str) -> Option<(u64, Hash)>;
});

impl View for Permitted<'_> {}
