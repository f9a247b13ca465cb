//! Referrals and their timelines.

use tokio_postgres::Row;

use super::Snapshot;
use super::connection::{Batch, Connection, Failure};
use super::value::{count, get, values};
use crate::store::StoreError;
use crate::store::referrals::{Referral, ReferralEvent, ReferralView};

const COLUMNS: &str = "id, role, peer, patient, patient_name, status, business_status, service, priority, message_id, \
                       package, outcome, created_at, updated_at";

fn read(row: &Row) -> Result<Referral, Failure> {
    Ok(Referral {
        id: get(row, 0)?,
        role: get(row, 1)?,
        peer: get(row, 2)?,
        patient: get(row, 3)?,
        patient_name: get(row, 4)?,
        status: get(row, 5)?,
        business_status: get(row, 6)?,
        service: get(row, 7)?,
        priority: get(row, 8)?,
        message_id: get(row, 9)?,
        package: get(row, 10)?,
        outcome: get(row, 11)?,
        created_at: get(row, 12)?,
        updated_at: get(row, 13)?,
    })
}

pub(super) fn status_is(connection: &mut Connection, id: &str, expected: Option<&str>) -> Result<bool, Failure> {
    let row = connection.optional("SELECT status FROM referral WHERE id = $1", &values![id])?;
    let found: Option<String> = row.as_ref().map(|row| get(row, 0)).transpose()?;
    Ok(found.as_deref() == expected)
}

pub(super) fn has_events(connection: &mut Connection, id: &str, expected: u64) -> Result<bool, Failure> {
    let row = connection.optional("SELECT COUNT(*) FROM referral_event WHERE referral = $1", &values![id])?;
    Ok(row.as_ref().map(|row| count(row, 0)).transpose()? == Some(expected))
}

pub(super) fn move_from<'a>(batch: &mut Batch<'a>, id: &'a str, from: &'a str, to: &'a str, at: &'a str) {
    batch.add(
        "UPDATE referral SET status = $3, updated_at = $4 WHERE id = $1 AND status = $2",
        values![id, from, to, at],
    );
}

pub(super) fn put<'a>(batch: &mut Batch<'a>, referral: &'a Referral) {
    batch.add(
        "INSERT INTO referral (id, role, peer, patient, patient_name, status, business_status, service, priority,
         message_id, package, outcome, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (id) DO UPDATE SET role = $2, peer = $3, patient = $4, patient_name = $5, status = $6,
         business_status = $7, service = $8, priority = $9, message_id = $10, package = $11, outcome = $12,
         created_at = $13, updated_at = $14",
        values![
            &referral.id,
            &referral.role,
            &referral.peer,
            &referral.patient,
            &referral.patient_name,
            &referral.status,
            &referral.business_status,
            &referral.service,
            &referral.priority,
            &referral.message_id,
            &referral.package,
            &referral.outcome,
            &referral.created_at,
            &referral.updated_at
        ],
    );
}

pub(super) fn add_event<'a>(batch: &mut Batch<'a>, event: &'a ReferralEvent) {
    batch.add(
        "INSERT INTO referral_event (referral, event, institution, actor, from_status, to_status, note, message_id, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        values![
            &event.referral,
            &event.event,
            &event.institution,
            &event.actor,
            &event.from,
            &event.to,
            &event.note,
            &event.message_id,
            &event.at
        ],
    );
}

impl ReferralView for Snapshot<'_> {
    fn referral(&self, id: &str) -> Result<Option<Referral>, StoreError> {
        self.optional(&format!("SELECT {COLUMNS} FROM referral WHERE id = $1"), &values![id], read)
    }

    fn referrals(&self, role: &str, limit: usize) -> Result<Vec<Referral>, StoreError> {
        let columns = COLUMNS.replace("package, outcome", "''::bytea AS package, NULL::bytea AS outcome");
        let sql = format!("SELECT {columns} FROM referral WHERE role = $1 ORDER BY updated_at DESC, id LIMIT $2");
        self.rows(&sql, &values![role, limit], read)
    }

    fn referral_events(&self, id: &str) -> Result<Vec<ReferralEvent>, StoreError> {
        let sql = "SELECT referral, event, institution, actor, from_status, to_status, note, message_id, at
                   FROM referral_event WHERE referral = $1 ORDER BY position";
        self.rows(sql, &values![id], |row| {
            Ok(ReferralEvent {
                referral: get(row, 0)?,
                event: get(row, 1)?,
                institution: get(row, 2)?,
                actor: get(row, 3)?,
                from: get(row, 4)?,
                to: get(row, 5)?,
                note: get(row, 6)?,
                message_id: get(row, 7)?,
                at: get(row, 8)?,
            })
        })
    }

    fn referral_by_message(&self, message_id: &str) -> Result<Option<Referral>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM referral WHERE id =
             (SELECT referral FROM referral_event WHERE message_id = $1 ORDER BY position LIMIT 1)"
        );
        self.optional(&sql, &values![message_id], read)
    }
}
