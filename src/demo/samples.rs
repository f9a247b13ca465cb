//! The case's own messages, written for this project. Kept as UTF-8 with line feeds; sent as a hospital would send them.

use std::path::Path;

use super::DemoError;

/// Toronto's feed, in order: Latin-1, carriage returns.
pub(super) fn toronto() -> Vec<Vec<u8>> {
    [
        include_str!("samples/toronto/01-arrival.hl7"),
        include_str!("samples/toronto/02-results.hl7"),
        include_str!("samples/toronto/03-correction.hl7"),
        include_str!("samples/toronto/04-prescription.hl7"),
        include_str!("samples/toronto/05-swap.hl7"),
    ]
    .into_iter()
    .map(|text| encoding_rs::WINDOWS_1252.encode(&carriage_returns(text)).0.into_owned())
    .collect()
}

/// One storage file of Tokyo's patients.
struct StorageFile {
    patient: &'static str,
    /// `YYYYMMDD`, or `-` for what belongs to no day.
    day: &'static str,
    kind: &'static str,
    order: &'static str,
    stamp: &'static str,
    text: &'static str,
}

const TOKYO: &[StorageFile] = &[
    StorageFile {
        patient: "0012340001",
        day: "-",
        kind: "ADT-00",
        order: "999999999999999",
        stamp: "20261101083000000",
        text: include_str!("samples/tokyo/adt-00.hl7"),
    },
    StorageFile {
        patient: "0012340002",
        day: "-",
        kind: "ADT-00",
        order: "999999999999999",
        stamp: "20261101083100000",
        text: include_str!("samples/tokyo/adt-00-hanako.hl7"),
    },
    StorageFile {
        patient: "0012340001",
        day: "-",
        kind: "ADT-61",
        order: "999999999999999",
        stamp: "20261101083500000",
        text: include_str!("samples/tokyo/adt-61.hl7"),
    },
    StorageFile {
        patient: "0012340001",
        day: "-",
        kind: "PPR-01",
        order: "900000000000001",
        stamp: "20261101084000000",
        text: include_str!("samples/tokyo/ppr-01.hl7"),
    },
    StorageFile {
        patient: "0012340001",
        day: "20261102",
        kind: "OML-11",
        order: "000000000900001",
        stamp: "20261102103059000",
        text: include_str!("samples/tokyo/oml-11.hl7"),
    },
    StorageFile {
        patient: "0012340001",
        day: "20261102",
        kind: "OMP-01",
        order: "000000000910001",
        stamp: "20261102110000000",
        text: include_str!("samples/tokyo/omp-01.hl7"),
    },
    StorageFile {
        patient: "0012340001",
        day: "20261102",
        kind: "OMD",
        order: "000000000920001",
        stamp: "20261102113000000",
        text: include_str!("samples/tokyo/omd.hl7"),
    },
];

/// Writes Tokyo's case into an SS-MIX2 tree.
pub(super) fn write_tokyo(root: &Path) -> Result<(), DemoError> {
    for file in TOKYO {
        write_storage(root, file.patient, file.day, file.kind, file.order, file.stamp, file.text)?;
    }
    Ok(())
}

/// Writes one storage file: `root/pid3/pid3/pid/day/kind/pid_day_kind_order_stamp_department_flag`, ISO-2022-JP.
pub(super) fn write_storage(
    root: &Path,
    patient: &str,
    day: &str,
    kind: &str,
    order: &str,
    stamp: &str,
    text: &str,
) -> Result<(), DemoError> {
    let (first, second) = (patient.get(..3).unwrap_or(patient), patient.get(3..6).unwrap_or(""));
    let folder = root.join(first).join(second).join(patient).join(day).join(kind);
    let failed = |cause| DemoError::Folder { path: folder.display().to_string(), cause };
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let name = format!("{patient}_{day}_{kind}_{order}_{stamp}_01_1");
    let bytes = encoding_rs::ISO_2022_JP.encode(&carriage_returns(text)).0.into_owned();
    std::fs::write(folder.join(name), bytes).map_err(failed)
}

fn carriage_returns(text: &str) -> String {
    text.replace('\n', "\r")
}
