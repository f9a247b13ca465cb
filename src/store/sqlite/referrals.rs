//! Referrals and their timelines.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use super::seals::{self, Seals};
use crate::store::StoreError;
use crate::store::referrals::{Referral, ReferralEvent, ReferralView};
use crate::store::sealing::{PLAIN, Place};

const COLUMNS: &str = "id, role, peer, patient, patient_name, status, business_status, service, priority, message_id, \
                       package, outcome, created_at, updated_at, package_key, outcome_key";

fn place<'a>(id: &'a [&'a str], column: &'static str) -> Place<'a> {
    Place { table: "referral", row: id, column }
}

fn read(snapshot: &Snapshot<'_>, row: &Row<'_>) -> rusqlite::Result<Referral> {
    let id: String = row.get(0)?;
    let open =
        |column, key, bytes| seals::open(snapshot.connection, snapshot.ring, place(&[id.as_str()], column), key, bytes);
    let package = open("package", row.get(14)?, row.get(10)?)?;
    let outcome: Option<Vec<u8>> = row.get(11)?;
    let outcome = match outcome {
        Some(bytes) => Some(open("outcome", row.get(15)?, bytes)?),
        None => None,
    };
    Ok(Referral {
        id: row.get(0)?,
        role: row.get(1)?,
        peer: row.get(2)?,
        patient: row.get(3)?,
        patient_name: row.get(4)?,
        status: row.get(5)?,
        business_status: row.get(6)?,
        service: row.get(7)?,
        priority: row.get(8)?,
        message_id: row.get(9)?,
        package,
        outcome,
        created_at: row.get(12)?,
        updated_at: row.get(13)?,
    })
}

pub(super) fn status_is(connection: &Connection, id: &str, expected: Option<&str>) -> rusqlite::Result<bool> {
    let found: Option<String> = connection
        .prepare_cached("SELECT status FROM referral WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(found.as_deref() == expected)
}

pub(super) fn has_events(connection: &Connection, id: &str, expected: u64) -> rusqlite::Result<bool> {
    let found: i64 = connection
        .prepare_cached("SELECT count(*) FROM referral_event WHERE referral = ?1")?
        .query_row([id], |row| row.get(0))?;
    Ok(u64::try_from(found).is_ok_and(|found| found == expected))
}

pub(super) fn move_from(connection: &Connection, id: &str, from: &str, to: &str, at: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE referral SET status = ?3, updated_at = ?4 WHERE id = ?1 AND status = ?2")?
        .execute([id, from, to, at])?;
    Ok(())
}

pub(super) fn put(connection: &Connection, seals: &Seals<'_>, referral: &Referral) -> rusqlite::Result<()> {
    let id = [referral.id.as_str()];
    let package = seals.seal(place(&id, "package"), &referral.package)?;
    let outcome = match &referral.outcome {
        Some(bytes) => Some(seals.seal(place(&id, "outcome"), bytes)?),
        None => None,
    };
    let outcome_key = outcome.as_ref().map_or(PLAIN, |sealed| sealed.key);
    connection
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO referral ({COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
        ))?
        .execute(params![
            referral.id,
            referral.role,
            referral.peer,
            referral.patient,
            referral.patient_name,
            referral.status,
            referral.business_status,
            referral.service,
            referral.priority,
            referral.message_id,
            package.bytes,
            outcome.map(|sealed| sealed.bytes),
            referral.created_at,
            referral.updated_at,
            package.key,
            outcome_key
        ])?;
    Ok(())
}

pub(super) fn add_event(connection: &Connection, event: &ReferralEvent) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO referral_event (referral, event, institution, actor, from_status, to_status, note, message_id,
             at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            event.referral,
            event.event,
            event.institution,
            event.actor,
            event.from,
            event.to,
            event.note,
            event.message_id,
            event.at
        ])?;
    Ok(())
}

impl ReferralView for Snapshot<'_> {
    fn referral(&self, id: &str) -> Result<Option<Referral>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM referral WHERE id = ?1");
        Ok(self.connection.prepare_cached(&sql)?.query_row([id], |row| read(self, row)).optional()?)
    }

    fn referrals(&self, role: &str, limit: usize) -> Result<Vec<Referral>, StoreError> {
        let columns = COLUMNS
            .replace("package, outcome", "x'' AS package, NULL AS outcome")
            .replace("package_key, outcome_key", "0, 0");
        let sql = format!("SELECT {columns} FROM referral WHERE role = ?1 ORDER BY updated_at DESC, id LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows =
            statement.query_map(params![role, i64::try_from(limit).unwrap_or(i64::MAX)], |row| read(self, row))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn referral_events(&self, id: &str) -> Result<Vec<ReferralEvent>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT referral, event, institution, actor, from_status, to_status, note, message_id, at
             FROM referral_event WHERE referral = ?1 ORDER BY position",
        )?;
        let rows = statement.query_map([id], |row| {
            Ok(ReferralEvent {
                referral: row.get(0)?,
                event: row.get(1)?,
                institution: row.get(2)?,
                actor: row.get(3)?,
                from: row.get(4)?,
                to: row.get(5)?,
                note: row.get(6)?,
                message_id: row.get(7)?,
                at: row.get(8)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn referral_by_message(&self, message_id: &str) -> Result<Option<Referral>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM referral WHERE id =
             (SELECT referral FROM referral_event WHERE message_id = ?1 ORDER BY position LIMIT 1)"
        );
        Ok(self.connection.prepare_cached(&sql)?.query_row([message_id], |row| read(self, row)).optional()?)
    }
}
