//! Cohort questions and answers.

use tokio_postgres::Row;

use super::Snapshot;
use super::connection::{Batch, Failure};
use super::value::{get, values};
use crate::store::StoreError;
use crate::store::cohorts::{Answer, CohortView, Question};

fn read(row: &Row) -> Result<Question, Failure> {
    Ok(Question { sha256: get(row, 0)?, json: get(row, 1)?, asked_by: get(row, 2)?, asked_at: get(row, 3)? })
}

pub(super) fn put_question<'a>(batch: &mut Batch<'a>, question: &'a Question) {
    batch.add(
        "INSERT INTO cohort_question (sha256, json, asked_by, asked_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (sha256) DO UPDATE SET json = $2, asked_by = $3, asked_at = $4",
        values![&question.sha256, &question.json, &question.asked_by, &question.asked_at],
    );
}

pub(super) fn put_answer<'a>(batch: &mut Batch<'a>, answer: &'a Answer) {
    batch.add(
        "INSERT INTO cohort_answer (question_sha256, node, status, count, evidence, reason, answered_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (question_sha256, node) DO UPDATE SET status = $3, count = $4, evidence = $5, reason = $6,
         answered_at = $7",
        values![
            &answer.question_sha256,
            &answer.node,
            &answer.status,
            answer.count,
            &answer.evidence,
            &answer.reason,
            &answer.answered_at
        ],
    );
}

impl CohortView for Snapshot<'_> {
    fn question(&self, sha256: &str) -> Result<Option<Question>, StoreError> {
        let sql = "SELECT sha256, json, asked_by, asked_at FROM cohort_question WHERE sha256 = $1";
        self.optional(sql, &values![sha256], read)
    }

    fn questions(&self, limit: usize) -> Result<Vec<Question>, StoreError> {
        let sql = "SELECT sha256, json, asked_by, asked_at FROM cohort_question ORDER BY asked_at DESC LIMIT $1";
        self.rows(sql, &values![limit], read)
    }

    fn answers(&self, question_sha256: &str) -> Result<Vec<Answer>, StoreError> {
        let sql = "SELECT question_sha256, node, status, count, evidence, reason, answered_at FROM cohort_answer
                   WHERE question_sha256 = $1 ORDER BY node";
        self.rows(sql, &values![question_sha256], |row| {
            let count: Option<i64> = get(row, 3)?;
            Ok(Answer {
                question_sha256: get(row, 0)?,
                node: get(row, 1)?,
                status: get(row, 2)?,
                count: count.and_then(|count| u64::try_from(count).ok()),
                evidence: get(row, 4)?,
                reason: get(row, 5)?,
                answered_at: get(row, 6)?,
            })
        })
    }
}
