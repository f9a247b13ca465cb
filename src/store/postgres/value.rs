//! Values as they go to PostgreSQL, and rows as they come back.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::connection::Failure;

/// A value of a statement.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Text(&'a str),
    Owned(String),
    Bytes(&'a [u8]),
    Blob(Vec<u8>),
    Number(i64),
    Is(bool),
    /// `text[]`.
    Texts(Vec<Cow<'a, str>>),
    /// `bigint[]`.
    Numbers(Vec<i64>),
}

type Answer = Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Answer {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Text(text) => put_text(text, out),
            Self::Owned(text) => put_text(text, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
            Self::Blob(bytes) => bytes.to_sql(kind, out),
            Self::Number(number) if *kind == Type::BOOL => (*number != 0).to_sql(kind, out),
            Self::Number(number) if *kind == Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
            Self::Number(number) => number.to_sql(kind, out),
            Self::Is(truth) => truth.to_sql(kind, out),
            Self::Texts(texts) => texts.iter().map(|text| Value::Text(text)).collect::<Vec<_>>().to_sql(kind, out),
            Self::Numbers(numbers) => numbers.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// PostgreSQL's text holds no U+0000: the symbol for it (U+2400) stands in its place. FHIR allows it nowhere, and what was
/// received keeps its bytes.
fn put_text(text: &str, out: &mut BytesMut) -> Answer {
    if text.contains('\0') {
        out.put_slice(text.replace('\0', "\u{2400}").as_bytes());
    } else {
        out.put_slice(text.as_bytes());
    }
    Ok(IsNull::No)
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Owned(text)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes)
    }
}

impl From<Vec<i64>> for Value<'_> {
    fn from(numbers: Vec<i64>) -> Self {
        Self::Numbers(numbers)
    }
}

impl<'a> From<Vec<Cow<'a, str>>> for Value<'a> {
    fn from(texts: Vec<Cow<'a, str>>) -> Self {
        Self::Texts(texts)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A number that no table reaches stands for the greatest.
impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Self::Is(truth)
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(value: &'a Option<String>) -> Self {
        value.as_deref().into()
    }
}

impl<'a> From<&'a Option<Vec<u8>>> for Value<'a> {
    fn from(value: &'a Option<Vec<u8>>) -> Self {
        value.as_deref().map_or(Self::Null, Self::Bytes)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Number)
    }
}

impl From<Option<u64>> for Value<'_> {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The values of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$(super::value::Value::from($value)),*] };
}
pub(super) use values;

/// Reads one column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, Failure> {
    Ok(row.try_get(at)?)
}

/// Reads a number that is not negative.
pub(super) fn count(row: &Row, at: usize) -> Result<u64, Failure> {
    u64::try_from(get::<i64>(row, at)?).map_err(|_| Failure::Refused("a number below zero in the database".to_owned()))
}
