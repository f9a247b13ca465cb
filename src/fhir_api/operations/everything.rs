//! `Patient/$everything`, <https://hl7.org/fhir/R4/patient-operation-everything.html>: all that is about a patient, and the people,
//! places and things that it refers to.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::base::Base;
use super::super::read::unknown;
use super::super::respond::{gone, value_response};
use super::super::{Api, known_type};
use super::parameters::Asked;
use crate::access::permit::{Permission, check};
use crate::fault::Kind;
use crate::fhir::{bundle, dates, reference};
use crate::server::problem::Problem;
use crate::store::records::StoredResource;
use crate::store::{StoreError, View};
use crate::web::bearer::Bearer;

/// Resources on a page at most.
const LARGEST_PAGE: usize = 1000;
/// The parameter of a link to a further page: the resource that the page before ended with.
const AFTER: &str = "_after";
/// What comes along because something refers to it. None of it is about a patient.
const RELATED: [&str; 9] = [
    "Device",
    "HealthcareService",
    "Location",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
    "Substance",
];
/// Rings of references followed from what is about the patient.
const RINGS: usize = 2;

/// `GET` or `POST /fhir/Patient/{id}/$everything`
pub(super) async fn everything(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    base: Base,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    asked.only(&["start", "end", "_since", "_type", "_count", AFTER])?;
    let wanted = Wanted::read(&asked)?;
    let name = format!("Patient/{id}");
    let Some(last) = api
        .here
        .store
        .read({
            let id = id.clone();
            move |view| view.last_version("Patient", &id)
        })
        .await?
    else {
        return Err(unknown(&name));
    };
    if last.is_deletion() {
        return Ok(gone(&last));
    }
    let (count, after) = (asked.number("_count", LARGEST_PAGE)?.map(|count| count.max(1)), asked.text(AFTER));
    let patient = id.clone();
    let all = api.here.store.read(move |view| gathered(view, &patient, &wanted)).await?;
    let place = |one: &Found| format!("{}/{}", one.stored.kind, one.stored.id);
    let begin = after.and_then(|after| all.iter().position(|one| place(one) == after)).map_or(0, |at| at + 1);
    let page = all.get(begin..).unwrap_or_default();
    let page = page.get(..count.unwrap_or(page.len()).min(page.len())).unwrap_or_default();
    let mut entries = Vec::with_capacity(page.len());
    for one in page {
        let content: Value = serde_json::from_str(&one.stored.json)
            .map_err(|_| Problem::new(Kind::Internal, format!("{} is damaged", place(one))))?;
        let mode = if one.is_related { "include" } else { "match" };
        entries.push(
            json!({"fullUrl": format!("{}/{}", base.0, place(one)), "resource": content, "search": {"mode": mode}}),
        );
    }
    let mut answer = bundle::of("searchset", entries);
    answer["total"] = json!(all.iter().filter(|one| !one.is_related).count());
    let link = |after: Option<String>| {
        let mut pairs = asked.texts();
        if let Some(after) = after {
            pairs.retain(|(name, _)| name != AFTER);
            pairs.push((AFTER.to_owned(), after));
        }
        let query = serde_urlencoded::to_string(&pairs).unwrap_or_default();
        format!("{}/Patient/{id}/$everything{}{query}", base.0, if query.is_empty() { "" } else { "?" })
    };
    let mut links = vec![json!({"relation": "self", "url": link(None)})];
    if begin + page.len() < all.len()
        && let Some(last) = page.last()
    {
        links.push(json!({"relation": "next", "url": link(Some(place(last)))}));
    }
    answer["link"] = Value::Array(links);
    Ok(value_response(StatusCode::OK, &answer))
}

/// Which of it is wanted.
struct Wanted {
    /// Of care in `[from, to)`.
    from: Option<String>,
    to: Option<String>,
    since: Option<String>,
    kinds: Vec<String>,
}

impl Wanted {
    fn read(asked: &Asked) -> Result<Self, Problem> {
        let range = |name: &str| {
            let Some(text) = asked.text(name) else { return Ok(None) };
            let found = dates::range(&text);
            found.map(Some).ok_or_else(|| Problem::new(Kind::Malformed, format!("{name} must be a date or an instant")))
        };
        let kinds = asked.listed("_type");
        kinds.iter().try_for_each(|kind| known_type(kind))?;
        Ok(Self {
            from: range("start")?.map(|(from, _)| from),
            to: range("end")?.map(|(_, to)| to),
            since: range("_since")?.map(|(from, _)| from),
            kinds,
        })
    }

    fn is_met(&self, stored: &StoredResource, resource: &Value) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&stored.kind))
            && self.since.as_ref().is_none_or(|since| stored.last_updated >= *since)
            && self.is_of_time(&stored.kind, resource)
    }

    /// What has no date of care is of all times.
    fn is_of_time(&self, kind: &str, resource: &Value) -> bool {
        if kind == "Patient" || (self.from.is_none() && self.to.is_none()) {
            return true;
        }
        let Some((begin, end)) = care(resource) else { return true };
        self.from.as_ref().is_none_or(|from| end > *from) && self.to.as_ref().is_none_or(|to| begin < *to)
    }
}

/// The time of the care that a resource tells of: from inclusive, to exclusive.
fn care(resource: &Value) -> Option<(String, String)> {
    const DATES: [&str; 10] = [
        "effectiveDateTime",
        "effectiveInstant",
        "performedDateTime",
        "occurrenceDateTime",
        "onsetDateTime",
        "authoredOn",
        "recordedDate",
        "date",
        "created",
        "issued",
    ];
    const PERIODS: [&str; 6] =
        ["period", "effectivePeriod", "performedPeriod", "occurrencePeriod", "onsetPeriod", "servicedPeriod"];
    let text = |name: &str| resource.get(name).and_then(Value::as_str).and_then(dates::range);
    if let Some(period) = PERIODS.iter().find_map(|name| resource.get(name)) {
        let end = |name: &str| period.get(name).and_then(Value::as_str).and_then(dates::range);
        let from = end("start").map_or_else(String::new, |(from, _)| from);
        let to = end("end").map_or_else(|| "9999-12-31T23:59:59.999Z".to_owned(), |(_, to)| to);
        return Some((from, to));
    }
    DATES.iter().find_map(|name| text(name))
}

struct Found {
    stored: StoredResource,
    is_related: bool,
}

/// The patient first, what is about it by type and id, then what that refers to.
fn gathered(view: &dyn View, patient: &str, wanted: &Wanted) -> Result<Vec<Found>, StoreError> {
    let mut all = Vec::new();
    let mut ring: Vec<Value> = Vec::new();
    for stored in view.compartment(patient)? {
        let Ok(resource) = serde_json::from_str::<Value>(&stored.json) else { continue };
        if wanted.is_met(&stored, &resource) {
            all.push(Found { stored, is_related: false });
            ring.push(resource);
        }
    }
    let mut related: BTreeMap<(String, String), StoredResource> = BTreeMap::new();
    for _ in 0..RINGS {
        let mut next = Vec::new();
        for (kind, id) in ring.iter_mut().flat_map(targets) {
            let address = (kind, id);
            if !RELATED.contains(&address.0.as_str()) || related.contains_key(&address) {
                continue;
            }
            let Some(stored) = view.resource(&address.0, &address.1)? else { continue };
            next.extend(serde_json::from_str::<Value>(&stored.json));
            related.insert(address, stored);
        }
        ring = next;
    }
    let is_wanted = |stored: &StoredResource| {
        (wanted.kinds.is_empty() || wanted.kinds.contains(&stored.kind))
            && wanted.since.as_ref().is_none_or(|since| stored.last_updated >= *since)
    };
    let related = related.into_values().filter(is_wanted);
    all.extend(related.map(|stored| Found { stored, is_related: true }));
    Ok(all)
}

/// Type and id of all that a resource refers to.
pub(super) fn targets(resource: &mut Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    reference::rewrite(resource, &mut |target| {
        found.extend(reference::split(target).map(|(kind, id)| (kind.to_owned(), id.to_owned())));
        None
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn care_is_dated_by_what_the_resource_tells() {
        let of = |resource: Value| care(&resource).map(|(from, to)| (from[..10].to_owned(), to[..10].to_owned()));
        let day = |from: &str, to: &str| Some((from.to_owned(), to.to_owned()));
        assert_eq!(of(json!({"effectiveDateTime": "2024-02-01"})), day("2024-02-01", "2024-02-02"));
        assert_eq!(
            of(json!({"period": {"start": "2024-02-01", "end": "2024-02-03"}})),
            day("2024-02-01", "2024-02-04")
        );
        assert_eq!(of(json!({"status": "final"})), None);
        let wanted = Wanted {
            from: Some("2024-02-01T00:00:00.000Z".to_owned()),
            to: Some("2024-03-01T00:00:00.000Z".to_owned()),
            since: None,
            kinds: Vec::new(),
        };
        for (resource, expected) in [
            (json!({"effectiveDateTime": "2024-02"}), true),
            (json!({"effectiveDateTime": "2024-03-01T00:00:00Z"}), false),
            (json!({"effectiveDateTime": "2024-01-31"}), false),
            (json!({"period": {"start": "2020-01-01"}}), true),
            (json!({"period": {"end": "2020-01-01"}}), false),
            (json!({}), true),
        ] {
            assert_eq!(wanted.is_of_time("Observation", &resource), expected, "{resource}");
        }
    }
}
