//! Resources, their history and their search rows. Not kept here yet: what asks for them is told so.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::Snapshot;
use super::connection::{Batch, Connection, Failure};
use crate::fhir::search::Search;
use crate::store::StoreError;
use crate::store::history::{HistoryPage, HistoryQuery, HistoryView, Passed};
use crate::store::records::{FactQuery, Found, RecordView, ResourceWrite, StoredResource};

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

    fn search(&self, _: &Search) -> Result<Found, StoreError> {
        Err(not_kept().into())
    }

    fn compartment(&self, _: &str) -> Result<Vec<StoredResource>, StoreError> {
        Err(not_kept().into())
    }

    fn resource_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        Err(not_kept().into())
    }

    fn patients_with(&self, _: &FactQuery) -> Result<BTreeSet<String>, StoreError> {
        Err(not_kept().into())
    }

    fn patients_born(&self, _: Option<&str>, _: Option<&str>) -> Result<BTreeSet<String>, StoreError> {
        Err(not_kept().into())
    }

    fn all_patients(&self) -> Result<BTreeSet<String>, StoreError> {
        Err(not_kept().into())
    }
}
