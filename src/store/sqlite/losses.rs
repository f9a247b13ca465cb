//! Totals of the loss reports.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::Snapshot;
use crate::store::StoreError;
use crate::store::losses::{LossFilter, LossKey, LossTotal, LossView};

/// Adds to the totals. The writer gathers the counts of all acts of a transaction first: messages of one feed have most
/// fields in common.
pub(super) fn add(connection: &Connection, counts: &BTreeMap<LossKey, u64>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO loss_total (day, channel, kind, field, outcome, reason, seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET seen = seen + excluded.seen",
    )?;
    for (key, seen) in counts {
        let seen = i64::try_from(*seen).unwrap_or(i64::MAX);
        statement.execute(params![key.day, key.channel, key.kind, key.field, key.outcome, key.reason, seen])?;
    }
    Ok(())
}

impl LossView for Snapshot<'_> {
    fn loss_totals(&self, filter: &LossFilter) -> Result<Vec<LossTotal>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT field, outcome, reason, SUM(seen) FROM loss_total
             WHERE (?1 IS NULL OR day >= ?1) AND (?2 IS NULL OR channel = ?2) AND (?3 IS NULL OR kind = ?3)
             GROUP BY field, outcome, reason ORDER BY field, outcome, reason",
        )?;
        let rows = statement.query_map(params![filter.since, filter.channel, filter.kind], |row| {
            Ok(LossTotal { field: row.get(0)?, outcome: row.get(1)?, reason: row.get(2)?, seen: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_in_before_the_totals_is_counted_from_its_reports() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../../schemas/sqlite/0001_initial.sql")).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let report = r#"{"entries":[{"source":"PID-5[2].7","occurrence":1,"outcome":"dropped","reason":"r"},
            {"source":"PID-5[1]","occurrence":1,"outcome":"mapped","targets":["Patient.name"]},
            {"source":"PID-5[3].7","occurrence":1,"outcome":"dropped","reason":"r"}],"totals":{}}"#;
        for (id, status) in [("a", "translated"), ("b", "translated"), ("c", "quarantined")] {
            connection
                .execute(
                    "INSERT INTO message (id, channel, source, kind, received_at, raw, sha256, status, losses, resources)
                     VALUES (?1, 'mllp', '', 'ADT^A08', '2026-11-24T10:00:00.000Z', x'', '', ?2, ?3, '[]')",
                    [id, status, report],
                )
                .unwrap();
        }
        super::super::migrate::migrate(&mut connection, None).unwrap();
        let totals = Snapshot {
            connection: &connection,
            words: &Default::default(),
            ring: &crate::store::sqlite::readers::tests::ring(),
        }
        .loss_totals(&LossFilter::default())
        .unwrap();
        let told: Vec<(&str, &str, u64)> =
            totals.iter().map(|total| (total.field.as_str(), total.reason.as_str(), total.seen)).collect();
        assert_eq!(told, [("PID-5", "", 2), ("PID-5.7", "r", 4)]);
    }
}
