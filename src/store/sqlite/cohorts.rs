//! Cohort questions and answers.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use crate::store::StoreError;
use crate::store::cohorts::{Answer, CohortView, Question};

fn read(row: &Row<'_>) -> rusqlite::Result<Question> {
    Ok(Question { sha256: row.get(0)?, json: row.get(1)?, asked_by: row.get(2)?, asked_at: row.get(3)? })
}

pub(super) fn put_question(connection: &Connection, question: &Question) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO cohort_question (sha256, json, asked_by, asked_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute([&question.sha256, &question.json, &question.asked_by, &question.asked_at])?;
    Ok(())
}

pub(super) fn put_answer(connection: &Connection, answer: &Answer) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO cohort_answer (question_sha256, node, status, count, evidence, reason, answered_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            answer.question_sha256,
            answer.node,
            answer.status,
            answer.count,
            answer.evidence,
            answer.reason,
            answer.answered_at
        ])?;
    Ok(())
}

impl CohortView for Snapshot<'_> {
    fn question(&self, sha256: &str) -> Result<Option<Question>, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT sha256, json, asked_by, asked_at FROM cohort_question WHERE sha256 = ?1")?
            .query_row([sha256], read)
            .optional()?)
    }

    fn questions(&self, limit: usize) -> Result<Vec<Question>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT sha256, json, asked_by, asked_at FROM cohort_question ORDER BY asked_at DESC LIMIT ?1",
        )?;
        let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn answers(&self, question_sha256: &str) -> Result<Vec<Answer>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT question_sha256, node, status, count, evidence, reason, answered_at FROM cohort_answer
             WHERE question_sha256 = ?1 ORDER BY node",
        )?;
        let rows = statement.query_map([question_sha256], |row| {
            Ok(Answer {
                question_sha256: row.get(0)?,
                node: row.get(1)?,
                status: row.get(2)?,
                count: row.get(3)?,
                evidence: row.get(4)?,
                reason: row.get(5)?,
                answered_at: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
