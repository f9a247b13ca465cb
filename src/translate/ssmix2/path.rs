//! The path of a storage file, taken apart and checked against itself.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::translate::datatypes::time;
use crate::translate::{Refused, RefusedCode};

/// Whether a version counts (last piece of the file name).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `1`: valid.
    Valid,
    /// `0`: invalid, deleted.
    Invalid,
    /// `2`: past, superseded by a later version.
    Past,
}

/// The pieces of a storage path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoragePath {
    /// Patient number.
    pub patient: String,
    /// Day of care; `None` for `-`, data that belongs to no day.
    pub date: Option<String>,
    /// Data type, e.g. `OML-11`.
    pub data_type: String,
    /// Order number.
    pub order: String,
    /// When the file was written, 17 digits (to milliseconds), in the hospital's time.
    pub timestamp: String,
    /// Department; `None` for `-`.
    pub department: Option<String>,
    /// Whether the version counts.
    pub condition: Condition,
}

impl StoragePath {
    /// When the file was written.
    pub fn written(&self, zone: &TimeZone) -> Option<Timestamp> {
        let (seconds, fraction) = self.timestamp.split_at_checked(14)?;
        let text = if fraction.is_empty() { seconds.to_owned() } else { format!("{seconds}.{fraction}") };
        time::read(&text, zone)?.timestamp(zone)
    }
}

/// Takes the path of a storage file, relative to the storage root (or longer), apart.
///
/// Folder and file name repeat each other; where they differ the file is not where it belongs.
pub fn parse_path(relative: &str) -> Result<StoragePath, Refused> {
    let pieces = pieces(relative);
    let [.., first, second, patient, date, data_type, name] = pieces[..] else {
        return Err(misplaced("a storage file stands six levels deep: ROOT/123/456/PATIENT/DATE/TYPE/FILE"));
    };
    check([first, second, patient, date, data_type], name)
}

/// The pieces of a path.
pub(super) fn pieces(relative: &str) -> Vec<&str> {
    relative.split(['/', '\\']).filter(|piece| !piece.is_empty() && *piece != ".").collect()
}

/// Compares the folders with a name of seven pieces.
pub(super) fn check(folders: [&str; 5], name: &str) -> Result<StoragePath, Refused> {
    let [first, second, patient, date, data_type] = folders;
    // The data type of an extended storage may hold an underscore itself, so it is what is left of the other six.
    let mut parts = name.rsplitn(5, '_');
    let (flag, department, timestamp, order) = (parts.next(), parts.next(), parts.next(), parts.next());
    let mut start = parts.next().unwrap_or("").splitn(3, '_');
    let (named_patient, named_date, named_type) = (start.next(), start.next(), start.next());
    let (Some(flag), Some(department), Some(timestamp), Some(order), Some(named_type)) =
        (flag, department, timestamp, order, named_type)
    else {
        return Err(misplaced(
            "the file name does not have the seven pieces PATIENT_DATE_TYPE_ORDER_TIME_DEPARTMENT_FLAG",
        ));
    };
    let (named_patient, named_date) = (named_patient.unwrap_or(""), named_date.unwrap_or(""));
    let digits = |from: usize| patient.chars().skip(from).take(3).collect::<String>();
    if first != digits(0) || (second != digits(3) && !(digits(3).is_empty() && second == "-")) {
        return Err(misplaced("the two upper folders are not the first six characters of the patient folder"));
    }
    for (what, folder, named) in
        [("patient", patient, named_patient), ("date", date, named_date), ("data type", data_type, named_type)]
    {
        if folder != named {
            return Err(misplaced(&format!("the {what} in the file name is not that of its folder")));
        }
    }
    let is_digits =
        |text: &str, lengths: &[usize]| lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if date != "-" && !is_digits(date, &[8]) {
        return Err(misplaced("the date folder is neither eight digits nor -"));
    }
    if !is_digits(timestamp, &[14, 17]) {
        return Err(misplaced("the time in the file name is not 14 or 17 digits"));
    }
    let condition = match flag {
        "1" => Condition::Valid,
        "0" => Condition::Invalid,
        "2" => Condition::Past,
        _ => return Err(misplaced("the condition flag at the end of the file name is not 0, 1 or 2")),
    };
    let unless_dash = |text: &str| (text != "-").then(|| text.to_owned());
    Ok(StoragePath {
        patient: patient.to_owned(),
        date: unless_dash(date),
        data_type: data_type.to_owned(),
        order: order.to_owned(),
        timestamp: timestamp.to_owned(),
        department: unless_dash(department),
        condition,
    })
}

pub(super) fn misplaced(reason: &str) -> Refused {
    Refused::new(RefusedCode::WrongFolder, format!("{reason}; put the file where its content belongs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "100/200/1002003/20260105/OML-11/1002003_20260105_OML-11_000000000000042_20260105093000123_01_1";

    #[test]
    fn a_good_path_is_taken_apart() {
        let path = parse_path(GOOD).unwrap();
        assert_eq!(
            (path.patient.as_str(), path.data_type.as_str(), path.condition),
            ("1002003", "OML-11", Condition::Valid)
        );
        assert_eq!(path.written(&TimeZone::UTC).unwrap().to_string(), "2026-01-05T09:30:00.123Z");
        let timeless = "100/200/1002003/-/ADT-00/1002003_-_ADT-00_999999999999999_20260105093000123_-_2";
        let path = parse_path(timeless).unwrap();
        assert_eq!((path.date, path.department, path.condition), (None, None, Condition::Past));
        assert!(parse_path(&format!("some/root/{GOOD}")).is_ok());
    }

    #[test]
    fn what_contradicts_itself_is_misplaced() {
        for wrong in [
            GOOD.replace("100/200/", "100/201/"),
            GOOD.replace("/1002003/", "/1002004/"),
            GOOD.replace("/OML-11/", "/ADT-31/"),
            GOOD.replace("/20260105/", "/20260106/"),
            GOOD.replace("_1", "_7"),
            GOOD.replace("_01_", "_"),
            "1002003_20260105_OML-11_1_20260105093000123_01_1".to_owned(),
            String::new(),
        ] {
            assert_eq!(parse_path(&wrong).unwrap_err().code, RefusedCode::WrongFolder, "{wrong}");
        }
    }
}
