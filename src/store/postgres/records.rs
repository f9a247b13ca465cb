//! Resources, their history and their search rows. Not kept here yet: what asks for them is told so.

use std::ops::ControlFlow;

use super::Snapshot;
use super::connection::{Batch, Connection, Failure};
use crate::store::StoreError;
use crate::store::history::{HistoryPage, HistoryQuery, HistoryView, Passed};
use crate::store::records::{
    Entry, IndexState, IndexView, Posting, RecordView, Reindexed, ResourceWrite, StoredResource,
};

fn not_kept() -> Failure {
    Failure::Refused("this release keeps no record on PostgreSQL yet".to_owned())
}

pub(super) fn version_is(_: &mut Connection, _: &str, _: &str, _: Option<u64>) -> Result<bool, Failure> {
    Err(not_kept())
}

pub(super) fn unreferred(_: &mut Connection, _: &str, _: &str, _: &[(String, String)]) -> Result<bool, Failure> {
    Err(not_kept())
}

pub(super) fn none_identified(_: &mut Connection, _: &str, _: &str, _: &str) -> Result<bool, Failure> {
    Err(not_kept())
}

pub(super) fn put<'a>(_: &mut Batch<'a>, _: &'a ResourceWrite) -> Result<(), Failure> {
    Err(not_kept())
}

pub(super) fn delete<'a>(_: &mut Batch<'a>, _: &'a str, _: &'a str, _: u64, _: &'a str) -> Result<(), Failure> {
    Err(not_kept())
}

pub(super) fn confirm<'a>(
    _: &mut Batch<'a>,
    _: &'a str,
    _: &'a str,
    _: u64,
    _: Option<&'a str>,
) -> Result<(), Failure> {
    Err(not_kept())
}

pub(super) fn index_anew<'a>(_: &mut Batch<'a>, _: &'a [Reindexed], _: &'a IndexState) -> Result<(), Failure> {
    Err(not_kept())
}

impl IndexView for Snapshot<'_> {
    fn word(&self, _: &str) -> Result<Option<i64>, StoreError> {
        Err(not_kept().into())
    }

    fn text_of(&self, _: i64) -> Result<Option<String>, StoreError> {
        Err(not_kept().into())
    }

    fn position(&self, _: &str, _: &str) -> Result<Option<i64>, StoreError> {
        Err(not_kept().into())
    }

    fn address_at(&self, _: i64) -> Result<Option<(String, String)>, StoreError> {
        Err(not_kept().into())
    }

    fn owners(&self, _: &Posting<'_>, _: usize) -> Result<Vec<i64>, StoreError> {
        Err(not_kept().into())
    }

    fn entries(&self, _: &[i64], _: &mut dyn FnMut(Entry<'_>) -> bool) -> Result<(), StoreError> {
        Err(not_kept().into())
    }

    fn resources_at(&self, _: &[i64]) -> Result<Vec<StoredResource>, StoreError> {
        Err(not_kept().into())
    }

    fn index_state(&self) -> Result<IndexState, StoreError> {
        Err(not_kept().into())
    }

    fn resources_behind(&self, _: i64, _: usize) -> Result<Vec<(i64, StoredResource)>, StoreError> {
        Err(not_kept().into())
    }
}

impl HistoryView for Snapshot<'_> {
    fn last_version(&self, _: &str, _: &str) -> Result<Option<StoredResource>, StoreError> {
        Err(not_kept().into())
    }

    fn history(&self, _: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        Err(not_kept().into())
    }

    fn referrers(&self, _: &str, _: &str, _: usize) -> Result<Vec<(String, String)>, StoreError> {
        Err(not_kept().into())
    }

    fn each_resource(&self, _: &[String], _: &mut dyn FnMut(Passed) -> ControlFlow<()>) -> Result<(), StoreError> {
        Err(not_kept().into())
    }
}

impl RecordView for Snapshot<'_> {
    fn resource(&self, _: &str, _: &str) -> Result<Option<StoredResource>, StoreError> {
        Err(not_kept().into())
    }

    fn resource_version(&self, _: &str, _: &str, _: u64) -> Result<Option<StoredResource>, StoreError> {
        Err(not_kept().into())
    }

    fn by_identifier(&self, _: &str, _: &str, _: &str) -> Result<Vec<StoredResource>, StoreError> {
        Err(not_kept().into())
    }

    fn compartment(&self, _: &str) -> Result<Vec<StoredResource>, StoreError> {
        Err(not_kept().into())
    }

    fn resource_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        Err(not_kept().into())
    }
}
