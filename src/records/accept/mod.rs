//! New resources become part of the record: a transaction bundle is resolved against what is there and becomes one list
//! of changes. Nothing is written here; the caller commits the changes together with its own.
//!
//! Rules of <https://hl7.org/fhir/R4/http.html#transaction>, and of the gateway: the same content again is no new
//! version; an event older than the one recorded does not overwrite it; what a person deleted does not come back by a feed; a
//! bundle is taken whole or not at all.

mod delete;
mod links;
mod patched;
mod target;
mod write;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use self::links::Links;
pub use self::patched::JSON_PATCH;
use self::target::{Act, Target};
use self::write::put;
use super::{amend, merge, retire};
use crate::fault::{Classified, Kind};
use crate::fhir::patch::PatchError;
use crate::fhir::search::Search;
use crate::fhir::structure::{self, StructureError};
use crate::fhir::{self, bundle};
use crate::harmonise::Meaning;
use crate::store::{Change, Expect, StoreError, View};
use crate::translate::Amendment;

/// Entries of one bundle at most, beside the Provenance of where it came from.
pub const MAX_ENTRIES: usize = 5_000;

/// Reads the condition of a conditional request on a type, as a search does; or says whose fault it is that it cannot, and why.
pub type ReadCondition = fn(kind: &str, query: &str) -> Result<Search, (Kind, String)>;

/// Where a bundle comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The received message, for the history.
    pub message_id: Option<String>,
    /// The event's own time, RFC 3339 UTC; the later event wins.
    pub event_time: Option<String>,
    /// How things created get their ids.
    pub new_ids: NewIds,
    /// What entries leave as it is recorded, for translated sources; the entries of a stranger replace all.
    pub amendments: Vec<Amendment>,
    /// The bundle is the whole of what this source says: what the source said before and the bundle lacks is withdrawn.
    pub whole_of: Option<String>,
    /// What a resource means beyond its own words: it is found by that, too. What is stored stays as it came.
    pub meaning: Option<Meaning>,
    /// The bundle has been harmonised: its meaning stands in it.
    pub harmonised: bool,
    /// Conditions other than one `identifier=system|value`; refused, if none reads them.
    pub read_condition: Option<ReadCondition>,
    /// Refuses a PUT to an id that is not there.
    pub no_create_on_update: bool,
    /// Refuses to delete what others refer to.
    pub keep_referred: bool,
}

impl Origin {
    /// Whether a stranger wrote it, and not a feed.
    fn is_direct(&self) -> bool {
        self.message_id.is_none() && self.new_ids == NewIds::Fresh
    }
}

/// How things created get their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NewIds {
    /// At random: a stranger does not choose ids.
    #[default]
    Fresh,
    /// The entry's `urn:uuid`. Only for bundles of our own translation, whose UUIDs are derived from business
    /// identifiers.
    OfFullUrl,
    /// Derived from this text and the entry's `fullUrl`: the same file again finds the same things, another file does not.
    DerivedFrom(String),
}

/// What a bundle does to the record.
#[derive(Debug, Default)]
pub struct Accepted {
    /// What must still hold at commit.
    pub expect: Vec<Expect>,
    /// What is written.
    pub changes: Vec<Change>,
    /// Outcome of each entry, in order.
    pub entries: Vec<EntryOutcome>,
    /// Logical id of the first patient the bundle is about.
    pub patient: Option<String>,
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryOutcome {
    /// Resource type.
    pub kind: String,
    /// Logical id.
    pub id: String,
    /// Version after.
    pub version: u64,
    /// What happened.
    pub done: Done,
}

/// What happened to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// A new resource.
    Created,
    /// A new version.
    Updated,
    /// The same content was there already.
    Unchanged,
    /// A later event was there already; this one is kept with its message only.
    Older,
    /// The resource is there no longer.
    Deleted,
    /// It was to be deleted and is not there.
    Absent,
    /// The entry reads and writes nothing.
    Read,
}

/// Why a bundle is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Not a transaction bundle, an entry without resource or request, too many entries.
    #[error("{0}")]
    Malformed(String),
    /// An entry's resource is not valid FHIR R4.
    #[error("entry {entry}: {cause}")]
    Structure {
        /// Position, from 0.
        entry: usize,
        /// What is wrong.
        cause: StructureError,
    },
    /// Two entries write the same resource.
    #[error("entry {entry} writes {target}, which an entry before it writes too")]
    Twice {
        /// Position, from 0.
        entry: usize,
        /// `Type/id`.
        target: String,
    },
    /// A conditional request matches several resources.
    #[error("entry {entry}: the condition matches more than one {kind}; merge them first")]
    Ambiguous {
        /// Position, from 0.
        entry: usize,
        /// Resource type.
        kind: String,
    },
    /// A condition cannot be read as a search.
    #[error("entry {entry}: {cause}")]
    Condition {
        /// Position, from 0.
        entry: usize,
        /// Whose fault.
        kind: Kind,
        /// What is wrong.
        cause: String,
    },
    /// What is to be patched is not there.
    #[error("entry {entry}: {target} is not there to be patched")]
    Missing {
        /// Position, from 0.
        entry: usize,
        /// `Type/id`, or the type alone.
        target: String,
    },
    /// A patch cannot be applied.
    #[error("entry {entry}: {cause}")]
    Patch {
        /// Position, from 0.
        entry: usize,
        /// Why.
        cause: PatchError,
    },
    /// A reference leads nowhere.
    #[error("reference {0} leads to no entry of the bundle")]
    Dangling(String),
    /// A conditional reference leads to none or to several resources.
    #[error("the conditional reference to a {kind} leads to {found}; it must lead to exactly one")]
    Undecided {
        /// Resource type.
        kind: String,
        /// `none` or `several`.
        found: &'static str,
    },
    /// An `If-Match` or `If-None-Match` does not hold.
    #[error("entry {entry}: {target} is not as the request expects; read it again")]
    Stale {
        /// Position, from 0.
        entry: usize,
        /// `Type/id`.
        target: String,
    },
    /// The id in the body is another than the one asked for.
    #[error("entry {entry}: the resource's id must be {id}")]
    OtherId {
        /// Position, from 0.
        entry: usize,
        /// The id asked for.
        id: String,
    },
    /// The id that a conditional update names is taken.
    #[error("entry {entry}: the condition finds nothing, and {target} is there already")]
    Taken {
        /// Position, from 0.
        entry: usize,
        /// `Type/id`.
        target: String,
    },
    /// An update would create, which this node does not do.
    #[error("entry {entry}: {target} is not there, and this node lets no client choose an id; create it by POST")]
    NoSuch {
        /// Position, from 0.
        entry: usize,
        /// `Type/id`.
        target: String,
    },
    /// A feed speaks of something that was deleted here.
    #[error("{target} was deleted here; put it back by the FHIR API if the message is to be taken in")]
    Gone {
        /// `Type/id`.
        target: String,
    },
    /// It cannot be deleted while others refer to it.
    #[error(
        "{target} is not deleted: {referrers} refer to it; delete or change them first, or in the same transaction"
    )]
    Referred {
        /// `Type/id`.
        target: String,
        /// Some of them, `Type/id`.
        referrers: String,
    },
    /// A transaction knows no such method.
    #[error("entry {entry}: {method} is none of DELETE, POST, PUT, PATCH, GET, HEAD")]
    Method {
        /// Position, from 0.
        entry: usize,
        /// HTTP method.
        method: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for AcceptError {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed(_) | Self::OtherId { .. } => Kind::Malformed,
            Self::Structure { .. } | Self::Twice { .. } | Self::Dangling(_) => Kind::Unprocessable,
            Self::Ambiguous { .. } | Self::Undecided { .. } | Self::Stale { .. } => Kind::PreconditionFailed,
            Self::Condition { kind, .. } => *kind,
            Self::Missing { .. } => Kind::NotFound,
            Self::Patch { cause: PatchError::Malformed(_), .. } => Kind::Malformed,
            Self::Patch { cause: PatchError::NoPlace { .. }, .. } => Kind::Unprocessable,
            Self::Patch { cause: PatchError::TestFailed { .. }, .. } => Kind::Conflict,
            Self::Taken { .. } | Self::Gone { .. } | Self::Referred { .. } => Kind::Conflict,
            Self::NoSuch { .. } => Kind::NotAllowed,
            Self::Method { .. } => Kind::Malformed,
            Self::Store(error) => error.kind(),
        }
    }
}

/// Resolves a transaction bundle against the record.
pub fn accept(view: &dyn View, now: &str, transaction: &Value, origin: &Origin) -> Result<Accepted, AcceptError> {
    accept_owned(view, now, transaction.clone(), origin)
}

/// [`accept`] of a bundle that is not needed afterwards.
pub fn accept_owned(
    view: &dyn View,
    now: &str,
    mut transaction: Value,
    origin: &Origin,
) -> Result<Accepted, AcceptError> {
    patched::resolve(view, &mut transaction, origin)?;
    let entries = checked_entries(&transaction)?;
    let targets = target::resolve_all(view, &entries, origin)?;
    // A patient whose record has ended is found as it is, but what is said of it belongs to the one in which it goes on.
    let (mut addresses, mut own) = (HashMap::new(), HashMap::new());
    for (entry, target) in entries.iter().zip(&targets) {
        if let (Act::Write, Some(full_url)) = (target.act, entry.get("fullUrl").and_then(Value::as_str)) {
            let survivor = match &target.existing {
                Some(patient) if target.kind == "Patient" => merge::survivor(view, patient)?,
                _ => None,
            };
            own.insert(full_url.to_owned(), format!("{}/{}", target.kind, target.id));
            let id = survivor.as_ref().unwrap_or(&target.id);
            addresses.insert(full_url.to_owned(), format!("{}/{id}", target.kind));
        }
    }
    let mut links = Links { view, origin, addresses, own, found: HashMap::new() };
    let mut accepted = Accepted::default();
    let present: HashSet<(String, String)> = targets.iter().map(Target::address).collect();
    let deleted: Vec<(String, String)> =
        targets.iter().filter(|target| target.act == Act::Delete).map(Target::address).collect();
    let superseded = match &origin.whole_of {
        Some(source) => retire::is_superseded(view, source, origin.event_time.as_deref())?,
        None => false,
    };
    let mut ended = Vec::new();
    let entries = transaction.get_mut("entry").and_then(Value::as_array_mut).into_iter().flatten();
    for (entry, target) in entries.zip(targets) {
        match target.act {
            Act::Write => {}
            Act::Delete => {
                delete::delete(view, &mut accepted, now, target, &present, origin)?;
                continue;
            }
            Act::Read => {
                let Target { kind, id, .. } = target;
                accepted.entries.push(EntryOutcome { kind, id, version: 0, done: Done::Read });
                continue;
            }
        }
        let Some(mut resource) = entry.get_mut("resource").map(Value::take) else { continue };
        let is_patient = target.kind == "Patient";
        links.relink(&mut resource, is_patient)?;
        let amendment = entry.get("fullUrl").and_then(|url| origin.amendments.iter().find(|a| *url == a.full_url));
        let meeting = lay_over(&mut resource, &target, amendment, origin.event_time.as_deref());
        if is_patient && resource.get("active") == Some(&Value::Bool(false)) {
            ended.push(target.id.clone());
        }
        if superseded && target.existing.is_none() {
            retire::withdraw_new(&mut resource);
        }
        put(&mut accepted, now, resource, target, origin, meeting)?;
    }
    for ended in ended {
        merge::bring_over(view, &mut accepted, now, &ended, origin)?;
    }
    if let Some(source) = &origin.whole_of {
        for (stored, resource) in retire::withdrawn(view, source, &present, origin.event_time.as_deref())? {
            put(&mut accepted, now, resource, Target::of_stored(stored), origin, Meeting::Replaces)?;
        }
    }
    delete::none_written_refers_to(&accepted, &deleted, origin)?;
    Ok(accepted)
}

/// How a resource meets what is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meeting {
    /// It takes the place of what is recorded, if it is later.
    Replaces,
    /// It is the recorded one with what the message adds to it, so that an earlier event counts too.
    Merged,
    /// The message only mentions it: whatever speaks of it, at whatever time, says more.
    Mentioned,
}

/// Lays what a message says over what is recorded.
fn lay_over(resource: &mut Value, target: &Target, amendment: Option<&Amendment>, time: Option<&str>) -> Meeting {
    let Some(amendment) = amendment else { return Meeting::Replaces };
    match &target.existing {
        None if target.mentioned && amendment.keep => {
            amend::mention(resource);
            Meeting::Mentioned
        }
        None => {
            amend::begin(resource, time, amendment);
            Meeting::Replaces
        }
        Some(_) if target.leave => Meeting::Replaces,
        Some(existing) => {
            let Ok(recorded) = serde_json::from_str(&existing.json) else { return Meeting::Replaces };
            amend::amend(&recorded, existing.event_time.as_deref(), resource, time, amendment);
            if amendment.keep { Meeting::Merged } else { Meeting::Replaces }
        }
    }
}

fn checked_entries(transaction: &Value) -> Result<Vec<&Value>, AcceptError> {
    if transaction.get("type").and_then(Value::as_str) != Some("transaction") {
        return Err(AcceptError::Malformed("Bundle.type must be transaction".to_owned()));
    }
    let entries: Vec<&Value> = bundle::entries(transaction).collect();
    let is_provenance = |entry: &&&Value| entry["resource"]["resourceType"] == "Provenance";
    let beside = usize::from(entries.last().filter(is_provenance).is_some());
    if entries.len() - beside > MAX_ENTRIES {
        return Err(AcceptError::Malformed(format!("a transaction may have at most {MAX_ENTRIES} entries")));
    }
    let addresses = entries.iter().filter_map(|entry| {
        let url = entry.get("fullUrl")?.as_str()?;
        Some((url, fhir::resource_type(entry.get("resource")?)?))
    });
    let addresses = addresses.collect();
    for (entry, content) in entries.iter().enumerate() {
        if matches!(content["request"]["method"].as_str(), Some("DELETE" | "GET" | "HEAD")) {
            continue;
        }
        let resource =
            content.get("resource").ok_or_else(|| AcceptError::Malformed(format!("entry {entry} has no resource")))?;
        structure::check_entry(resource, &addresses).map_err(|cause| AcceptError::Structure { entry, cause })?;
    }
    Ok(entries)
}
