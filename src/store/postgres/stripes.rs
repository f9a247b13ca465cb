//! What keeps replicas from writing the same thing at once. Every transaction takes, before anything else and in one
//! order, the locks of all that its acts expect and write; it holds them until it is durable. Whatever an expectation reads
//! can then change only under a lock that is held, and each statement sees what was committed before it (READ COMMITTED).
//!
//! There are [`STRIPES`] locks, and what is locked falls on one of them by its hash: the server keeps locks in a table of
//! fixed size. Two acts on different things may so wait for each other, and never pass each other wrongly.

use crate::store::records::{IndexValue, split_target};
use crate::store::{Change, Changes, Expect};

/// Number of locks.
pub(super) const STRIPES: u32 = 1024;
/// First part of the number of an advisory lock: those of this store.
pub(super) const SPACE: i64 = 0x7774_7269;
/// What every writer of a resource refers to, and who indexes resources anew holds alone.
const INDEX: &str = "*index";
/// The lock of those who claim deliveries.
pub(super) const CLAIMS: i64 = 2 * STRIPES as i64;
/// The lock of those who change the schema.
pub(super) const SCHEMA: i64 = 2 * (STRIPES as i64 + 1);

/// The lock of those who append to the trail of requests of a chain.
pub(super) fn requests(chain: &str) -> i64 {
    let mut stripe = Vec::new();
    lock(&mut stripe, "requests", &[chain]);
    stripe.first().copied().unwrap_or_default() + 2 * (i64::from(STRIPES) + 2)
}

/// Takes the locks `$2` of the space `$1`, as [`of`] gives them; they end with the transaction.
pub(super) const LOCK: &str = "SELECT CASE WHEN stripe % 2 = 0
        THEN pg_advisory_xact_lock($1::bigint::integer, (stripe / 2)::integer)::text
        ELSE pg_advisory_xact_lock_shared($1::bigint::integer, (stripe / 2)::integer)::text END
    FROM unnest($2::bigint[]) stripe";

/// The locks of a group of acts, in the order in which they are taken: twice the number of the lock, and one more where
/// others may hold it too (those who refer to one thing do not wait for each other, but for who ends it).
pub(super) fn of<'a>(group: impl Iterator<Item = &'a Changes>, chain: &str) -> Vec<i64> {
    let mut stripes = Vec::new();
    for changes in group {
        changes.expect.iter().for_each(|expect| expected(&mut stripes, expect));
        changes.changes.iter().for_each(|change| changed(&mut stripes, change, chain));
    }
    stripes.sort_unstable();
    stripes.dedup_by_key(|stripe| *stripe / 2);
    stripes
}

/// What is locked: a sort of thing, and its name.
fn lock(stripes: &mut Vec<i64>, sort: &str, name: &[&str]) {
    // FNV-1a: the same in every build, as replicas of two releases must agree.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in std::iter::once(&sort).chain(name) {
        for byte in part.bytes().chain(std::iter::once(0xff)) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    stripes.push(2 * ((hash ^ (hash >> 32)) % u64::from(STRIPES)).cast_signed());
}

/// Holds what is referred to against its end, together with others.
fn share(stripes: &mut Vec<i64>, kind: &str, id: &str) {
    lock(stripes, "referred", &[kind, id]);
    if let Some(last) = stripes.last_mut() {
        *last += 1;
    }
}

fn expected(stripes: &mut Vec<i64>, expect: &Expect) {
    match expect {
        Expect::ResourceVersion { kind, id, .. } => lock(stripes, "resource", &[kind, id]),
        Expect::Unreferred { kind, id, .. } => lock(stripes, "referred", &[kind, id]),
        Expect::NoneIdentified { kind, system, value } => lock(stripes, "identifier", &[kind, system, value]),
        Expect::NotSeen { peer, message_id } => lock(stripes, "seen", &[peer, message_id]),
        Expect::TokenUnused { peer, jti } => lock(stripes, "token", &[peer, jti]),
        Expect::ReferralStatus { id, .. } | Expect::ReferralEvents { id, .. } => lock(stripes, "referral", &[id]),
        Expect::PeerIs { id, .. } => lock(stripes, "peer", &[id]),
        Expect::InviteOpen { secret_sha256 } => lock(stripes, "invite", &[secret_sha256]),
        Expect::LeaseHeld { message_id, .. } => lock(stripes, "delivery", &[message_id]),
        Expect::FilingFree { id, .. } | Expect::FilingLeased { id, .. } => lock(stripes, "filing", &[id]),
        Expect::ExportsBelow { owner, .. } => lock(stripes, "exports", &[owner]),
        Expect::ExportFree { id, .. } | Expect::ExportLeased { id, .. } => lock(stripes, "export", &[id]),
        Expect::LinkUnused { secret_sha256 } => lock(stripes, "link", &[secret_sha256]),
    }
}

fn changed(stripes: &mut Vec<i64>, change: &Change, chain: &str) {
    match change {
        Change::PutResource(write) => {
            share(stripes, "", INDEX);
            lock(stripes, "resource", &[&write.resource.kind, &write.resource.id]);
            if let Some(patient) = &write.patient {
                share(stripes, "Patient", patient);
            }
            for row in &write.index {
                match &row.value {
                    IndexValue::Token { system, code } if row.path == "identifier" => {
                        lock(stripes, "identifier", &[&write.resource.kind, system, code]);
                    }
                    IndexValue::Reference(target) => {
                        let (kind, id) = split_target(target);
                        share(stripes, kind, id);
                    }
                    _ => {}
                }
            }
        }
        Change::DeleteResource { kind, id, .. } => {
            share(stripes, "", INDEX);
            lock(stripes, "resource", &[kind, id]);
            lock(stripes, "referred", &[kind, id]);
        }
        // Nobody writes a resource meanwhile.
        Change::IndexAnew { .. } => lock(stripes, "referred", &["", INDEX]),
        Change::ConfirmResource { kind, id, .. } => lock(stripes, "resource", &[kind, id]),
        Change::RecordMessage(message) => lock(stripes, "message", &[&message.id]),
        // Written last, in an order of their own.
        Change::CountLosses(_) => {}
        Change::SawFile(file) => lock(stripes, "file", &[&file.channel, &file.feed, &file.source]),
        Change::PutPeer(peer) => {
            lock(stripes, "peer", &[&peer.id]);
            lock(stripes, "certificate", &[&peer.certificate_sha256]);
            lock(stripes, "keys", &[&peer.id]);
        }
        Change::PutServices { peer, .. } => lock(stripes, "peer", &[peer]),
        Change::KeepKey(key) => lock(stripes, "keys", &[&key.institution]),
        Change::OpenInvite(invite) => lock(stripes, "invite", &[&invite.secret_sha256]),
        Change::UseInvite { secret_sha256 } => lock(stripes, "invite", &[secret_sha256]),
        Change::Queue(delivery) => {
            lock(stripes, "delivery", &[&delivery.message_id]);
            // Messages of one stream get their places in the order of their commits.
            lock(stripes, "stream", &[&delivery.peer, &delivery.stream]);
        }
        Change::Delivered { message_id, .. }
        | Change::RetryAt { message_id, .. }
        | Change::Release { message_id, .. }
        | Change::GiveUp { message_id, .. } => lock(stripes, "delivery", &[message_id]),
        Change::File(filing) => {
            lock(stripes, "filing", &[&filing.id]);
            lock(stripes, "destination", &[&filing.destination]);
        }
        Change::LeaseFiling { id, .. }
        | Change::Filed { id, .. }
        | Change::RetryFiling { id, .. }
        | Change::ReleaseFiling { id, .. }
        | Change::GiveUpFiling { id, .. } => lock(stripes, "filing", &[id]),
        Change::Seen(seen) => lock(stripes, "seen", &[&seen.peer, &seen.message_id]),
        Change::UseToken { peer, jti, .. } => lock(stripes, "token", &[peer, jti]),
        Change::StartExport(export) => {
            lock(stripes, "exports", &[&export.owner]);
            // A fence: whoever writes a resource meanwhile is waited for, and whoever does so later sees it.
            lock(stripes, "referred", &["", INDEX]);
        }
        Change::LeaseExport { id, .. }
        | Change::AddPieces { id, .. }
        | Change::EndExport { id, .. }
        | Change::TakeAwayExport { id, .. } => lock(stripes, "export", &[id]),
        Change::PutReferral(referral) => lock(stripes, "referral", &[&referral.id]),
        Change::MoveReferral { id, .. } => lock(stripes, "referral", &[id]),
        Change::ReferralEvent(event) => lock(stripes, "referral", &[&event.referral]),
        Change::PutQuestion(question) => lock(stripes, "question", &[&question.sha256]),
        Change::PutAnswer(answer) => lock(stripes, "question", &[&answer.question_sha256]),
        Change::PutLink(link) => lock(stripes, "link", &[&link.secret_sha256]),
        Change::UseLink { secret_sha256 } => lock(stripes, "link", &[secret_sha256]),
        Change::PutSession(session) => lock(stripes, "session", &[&session.secret_sha256]),
        Change::EndSession { secret_sha256 } => lock(stripes, "session", &[secret_sha256]),
        // Rows of their own, each locked by the database.
        Change::HoldWaiting => lock(stripes, "held", &[]),
        Change::EndAllSessions => lock(stripes, "sessions", &[]),
        Change::PutToken(token) => {
            lock(stripes, "api-token", &[&token.secret_sha256]);
            if let Some(client) = &token.client {
                lock(stripes, "client", &[client]);
            }
        }
        Change::PutClient(client) => lock(stripes, "client", &[&client.id]),
        Change::RemoveClient { id } => lock(stripes, "client", &[id]),
        Change::Audit(_) => lock(stripes, "audit", &[chain]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_falsifies_an_expectation_has_its_lock() {
        let peer = || "p".to_owned();
        let expect = Changes::new().expecting(Expect::TokenUnused { peer: peer(), jti: "j".to_owned() });
        let write =
            Changes::new().with(Change::UseToken { peer: peer(), jti: "j".to_owned(), expires_at: String::new() });
        let other = Changes::new().with(Change::UseToken {
            peer: "pj".to_owned(),
            jti: String::new(),
            expires_at: String::new(),
        });
        let of = |changes: &Changes| super::of([changes].into_iter(), "");
        assert_eq!(of(&expect), of(&write));
        assert_ne!(of(&expect), of(&other));
        assert_eq!(super::of([&expect, &write, &other].into_iter(), "").len(), 2);
    }

    #[test]
    fn who_refers_shares_a_lock_unless_the_same_act_ends_the_thing() {
        let (mut shared, mut both) = (Vec::new(), Vec::new());
        share(&mut shared, "Patient", "p");
        assert_eq!(shared[0] % 2, 1);
        let ends = Changes::new().expecting(Expect::Unreferred {
            kind: "Patient".to_owned(),
            id: "p".to_owned(),
            except: Vec::new(),
        });
        both.extend(super::of([&ends].into_iter(), ""));
        assert_eq!(both, [shared[0] - 1]);
    }
}
