//! Totals of the loss reports.

use std::collections::BTreeMap;

use super::Snapshot;
use super::connection::{Connection, Failure};
use super::value::{Value, count, get, values};
use crate::store::StoreError;
use crate::store::losses::{LossFilter, LossKey, LossTotal, LossView};

/// Adds to the totals, in one statement and in the order of the keys: replicas that add to the same totals wait for each
/// other and never in a circle.
pub(super) fn add(connection: &mut Connection, counts: &BTreeMap<LossKey, u64>) -> Result<(), Failure> {
    if counts.is_empty() {
        return Ok(());
    }
    let texts = |of: fn(&LossKey) -> &String| Value::Texts(counts.keys().map(|key| of(key).into()).collect());
    let seen = counts.values().map(|seen| i64::try_from(*seen).unwrap_or(i64::MAX)).collect();
    let values = [
        texts(|key| &key.day),
        texts(|key| &key.channel),
        texts(|key| &key.kind),
        texts(|key| &key.field),
        texts(|key| &key.outcome),
        texts(|key| &key.reason),
        Value::Numbers(seen),
    ];
    let sql = "INSERT INTO loss_total AS t (day, channel, kind, field, outcome, reason, seen)
               SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
               ON CONFLICT (day, channel, kind, field, outcome, reason) DO UPDATE SET seen = t.seen + excluded.seen";
    connection.query(sql, &values).map(drop)
}

impl LossView for Snapshot<'_> {
    fn loss_totals(&self, filter: &LossFilter) -> Result<Vec<LossTotal>, StoreError> {
        let sql = "SELECT field, outcome, reason, SUM(seen)::bigint FROM loss_total
             WHERE ($1::text IS NULL OR day >= $1) AND ($2::text IS NULL OR channel = $2) AND ($3::text IS NULL OR kind = $3)
             GROUP BY field, outcome, reason ORDER BY field, outcome, reason";
        self.rows(sql, &values![&filter.since, &filter.channel, &filter.kind], |row| {
            Ok(LossTotal { field: get(row, 0)?, outcome: get(row, 1)?, reason: get(row, 2)?, seen: count(row, 3)? })
        })
    }
}
