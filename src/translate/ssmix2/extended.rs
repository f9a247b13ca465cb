//! SS-MIX2 extended storage (拡張ストレージ): documents of any kind. A folder named like a storage file holds the files of one
//! document: `ROOT/<PID 1-3>/<PID 4-6>/<PID>/<date or ->/<type>/<content folder>/<file>`, where the type is a code as CWE, e.g.
//! `^紹介状^^57133-1^紹介状^LN`.
//!
//! Each file is a DocumentReference under the folder's patient, with the bytes as its attachment. HL7 v2 in it is translated
//! as well, where its message is one that is. Nothing is lost: what is not known is attached as it is.

use base64::Engine as _;

use super::path::{self, Condition, StoragePath};
use crate::fhir::tree::{self, Value};
use crate::translate::hl7v2::few::Few;
use crate::translate::hl7v2::message::{Field, Message, Segment, single};
use crate::translate::sniff::{self, Sniffed};
use crate::translate::{Mappings, Refused, RefusedCode, Setting, Translated, build, hl7v2};

/// What a document is called in reports.
const KIND: &str = "SSMIX2^EXTENDED";
/// A document larger than this is refused, bytes.
const LARGEST: usize = 32 << 20;

/// Whether a path belongs to the extended storage: a file below a content folder, or in a folder whose data type is a code
/// of several parts.
pub fn is_extended(relative: &str) -> bool {
    let pieces = path::pieces(relative);
    pieces.len() > 6 || pieces.get(4).is_some_and(|data_type| data_type.contains('^'))
}

/// Translates one file of a content folder.
pub fn translate(mappings: &Mappings, setting: &Setting, relative: &str, bytes: &[u8]) -> Result<Translated, Refused> {
    file(mappings, setting, relative, bytes).map_err(|refused| match refused.kind.as_str() {
        "?" => refused.of(KIND, None),
        _ => refused,
    })
}

fn file(mappings: &Mappings, setting: &Setting, relative: &str, bytes: &[u8]) -> Result<Translated, Refused> {
    let (path, folder, name) = place(relative)?;
    if bytes.len() > LARGEST {
        return Err(Refused::new(RefusedCode::TooLarge, format!("the document is larger than {LARGEST} bytes")));
    }
    let sniffed = sniff::sniff(&name, bytes)?;
    let content = Content::read(setting, &sniffed, bytes);
    if let Some(named) = &content.patients {
        super::check_patient_named(&named.iter().map(String::as_str).collect::<Vec<_>>(), &path)?;
    }
    if path.condition == Condition::Past {
        let reason = "a later version in the storage supersedes this document (condition flag 2); it is kept as received and \
                      not put into the record";
        return Err(Refused::new(RefusedCode::Superseded, reason));
    }
    let mut document =
        document(mappings, setting, &path, &describe(&path, &folder, &name, &sniffed, &content, bytes), bytes)?;
    document.warnings.extend(content.warning);
    if sniffed.is_unknown() {
        document.warnings.push("the kind of this file is not known; it is attached as it is".to_owned());
    }
    // An invalid document takes itself back and nothing else.
    if sniffed.subtype == "hl7-v2+er7" && path.condition == Condition::Valid {
        with_message(mappings, setting, bytes, &mut document);
    }
    Ok(document)
}

/// The path, the content folder's name and the file's.
fn place(relative: &str) -> Result<(StoragePath, String, String), Refused> {
    let pieces = path::pieces(relative);
    let [first, second, patient, date, data_type, folder, ref rest @ ..] = pieces[..] else {
        return Err(path::misplaced(
            "a document stands seven levels deep: ROOT/123/456/PATIENT/DATE/TYPE/CONTENT_FOLDER/FILE",
        ));
    };
    let path = path::check([first, second, patient, date, data_type], folder)?;
    let name = if rest.is_empty() { folder.to_owned() } else { rest.join("/") };
    Ok((path, folder.to_owned(), name))
}

/// What the document itself says.
#[derive(Default)]
struct Content {
    /// Whose it is, where it says so.
    patients: Option<Vec<String>>,
    title: Option<String>,
    /// LOINC code and its name.
    code: Option<(String, String)>,
    warning: Option<String>,
}

impl Content {
    fn read(setting: &Setting, sniffed: &Sniffed, bytes: &[u8]) -> Self {
        match sniffed.subtype {
            "hl7-v2+er7" => match hl7v2::read(setting, bytes) {
                Ok(read) => {
                    let pid = read.message.first("PID");
                    let named = pid.map(|pid| {
                        pid.field(3).iter().filter_map(|one| Some(one.first()?.first()?.to_string())).collect()
                    });
                    Self { patients: named, ..Self::default() }
                }
                Err(refused) => Self {
                    warning: Some(format!(
                        "the HL7 v2 message in it cannot be read ({}); attached as it is",
                        refused.reason
                    )),
                    ..Self::default()
                },
            },
            "xml" => cda(bytes),
            _ => Self::default(),
        }
    }
}

/// Patient, title and code of a CDA document. A document type declaration is refused by the reader, and with it every
/// entity of the sender's own.
fn cda(bytes: &[u8]) -> Content {
    let Some(text) = xml_text(bytes) else {
        let warning = Some("the XML in it is in an encoding that is not read; attached as it is".to_owned());
        return Content { warning, ..Content::default() };
    };
    let Ok(document) = roxmltree::Document::parse(&text) else {
        let warning = "the XML in it is not well formed or declares a document type; attached as it is".to_owned();
        return Content { warning: Some(warning), ..Content::default() };
    };
    let root = document.root_element();
    if root.tag_name().name() != "ClinicalDocument" {
        return Content::default();
    }
    let child = |name: &str| root.children().find(|node| node.tag_name().name() == name);
    let patients = root
        .children()
        .filter(|node| node.tag_name().name() == "recordTarget")
        .flat_map(|target| target.children().filter(|node| node.tag_name().name() == "patientRole"))
        .flat_map(|role| role.children().filter(|node| node.tag_name().name() == "id"))
        .filter_map(|id| id.attribute("extension").map(|extension| extension.trim().to_owned()))
        .collect();
    let title = child("title").and_then(|node| node.text()).map(|text| text.trim().to_owned());
    let code =
        child("code").filter(|node| node.attribute("codeSystem") == Some("2.16.840.1.113883.6.1")).and_then(|node| {
            Some((node.attribute("code")?.to_owned(), node.attribute("displayName").unwrap_or("").to_owned()))
        });
    Content { patients: Some(patients), title: title.filter(|title| !title.is_empty()), code, warning: None }
}

/// The text of an XML file by its byte order mark or declaration.
fn xml_text(bytes: &[u8]) -> Option<String> {
    let (encoding, bytes) = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, length)) => (encoding, bytes.get(length..)?),
        None => {
            let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(200))?);
            let declared = head.split("encoding=").nth(1).and_then(|rest| {
                let quote = rest.chars().next()?;
                rest.get(1..)?.split(quote).next().map(str::to_owned)
            });
            (encoding_rs::Encoding::for_label(declared.as_deref().unwrap_or("utf-8").as_bytes())?, bytes)
        }
    };
    encoding.decode_without_bom_handling_and_without_replacement(bytes).map(std::borrow::Cow::into_owned)
}

/// What path and file say, as the segments that the rows take: PID and ZXS.
fn describe(
    path: &StoragePath,
    folder: &str,
    name: &str,
    sniffed: &Sniffed,
    content: &Content,
    bytes: &[u8],
) -> Message {
    let one = |text: &str| -> Field { if text.is_empty() { Field::default() } else { single(text) } };
    let parts = |parts: &[&str]| -> Field { Few::one(parts.iter().map(|part| Few::one((*part).into())).collect()) };
    let (seconds, fraction) = path.timestamp.split_at_checked(14).unwrap_or((&path.timestamp, ""));
    let written = if fraction.is_empty() { seconds.to_owned() } else { format!("{seconds}.{fraction}") };
    let flag = match path.condition {
        Condition::Valid => "1",
        Condition::Invalid => "0",
        Condition::Past => "2",
    };
    let data = base64::engine::general_purpose::STANDARD.encode(bytes);
    let code = content.code.as_ref().map(|(code, display)| parts(&[code, display, "LN"])).unwrap_or_default();
    let document = vec![
        one(path.date.as_deref().unwrap_or("")),
        parts(&path.data_type.split('^').collect::<Vec<_>>()),
        one(&path.order),
        one(&written),
        one(path.department.as_deref().unwrap_or("")),
        one(flag),
        one(name),
        parts(&["", sniffed.family, sniffed.subtype, "Base64", &data]),
        one(folder),
        one(content.title.as_deref().unwrap_or("")),
        code,
    ];
    let patient = vec![Field::default(), Field::default(), one(&path.patient)];
    let segment = |name: &str, fields| Segment { name: name.to_owned(), fields };
    Message::of(vec![segment("PID", patient), segment("ZXS", document)])
}

fn document(
    mappings: &Mappings,
    setting: &Setting,
    path: &StoragePath,
    message: &Message,
    bytes: &[u8],
) -> Result<Translated, Refused> {
    let rules = mappings.rules(setting.country);
    let row = rules.messages.get(KIND).ok_or_else(|| {
        Refused::new(RefusedCode::UnsupportedType, "the mapping rows for documents of the extended storage are missing")
    })?;
    let written = path.written(&setting.zone);
    let order = build::Order {
        rules,
        setting,
        message,
        row,
        original: bytes,
        kind: KIND,
        history: None,
        column: &|_| None,
        trace: mappings.trace(),
        fallback_time: written,
    };
    let built = build::build(&order)?;
    Ok(Translated {
        kind: KIND.to_owned(),
        control_id: None,
        event_time: written.or(built.event_time),
        bundle: built.bundle,
        amendments: built.amendments,
        losses: built.losses,
        warnings: built.warnings,
    })
}

/// Adds what the HL7 v2 message in the document says, if it is one that is translated.
fn with_message(mappings: &Mappings, setting: &Setting, bytes: &[u8], document: &mut Translated) {
    let message = match hl7v2::translate(mappings, setting, bytes) {
        Ok(message) => message,
        Err(refused) => {
            document.warnings.push(format!("the message in it stays a document: {}", refused.reason));
            return;
        }
    };
    // The message knows more of the patient than the path does.
    let known: Vec<&str> = full_urls(&message.bundle).collect();
    let mut bundle = message.bundle.clone();
    let of_document = document.bundle.get("entry").and_then(|entries| entries.as_array()).into_iter().flatten();
    let added: Vec<_> = of_document
        .filter(|entry| entry.get("fullUrl").and_then(|url| url.as_str()).is_none_or(|url| !known.contains(&url)))
        .cloned()
        .collect();
    if let Some(entries) = bundle.get_mut("entry").and_then(|entries| entries.as_array_mut()) {
        entries.extend(added);
    }
    document.bundle = bundle;
    document.control_id = message.control_id;
    document.amendments.extend(message.amendments);
    document.warnings.extend(message.warnings);
    document.losses.append(message.losses);
}

fn full_urls(bundle: &Value) -> impl Iterator<Item = &str> {
    tree::entries(bundle).filter_map(|entry| entry.get("fullUrl")?.as_str())
}
