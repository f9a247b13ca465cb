//! The package and the returned document, prepared for the template: words marked by language, codes beside them, absence
//! said in words.

use crate::referral::reading::{Absence, Code, Item, ListKind, Measured, Person, Reply, Script, Summary};
use crate::web::frame::Frame;
use crate::web::markup::Markup;

/// A patient at the head of a page, or a candidate to choose.
pub struct PersonShown {
    /// Names with the label of their script.
    pub names: Vec<(Markup, String)>,
    /// Born.
    pub birth_date: Option<Markup>,
    /// Gender in words.
    pub gender: Option<String>,
    /// Identifiers with who gave them.
    pub identifiers: Vec<(Markup, String)>,
    /// Languages in words.
    pub languages: Vec<String>,
    /// Recorded as deceased.
    pub deceased: bool,
}

/// A list of the summary.
pub struct ListShown {
    /// For the heading's id.
    pub anchor: &'static str,
    /// Heading.
    pub title: String,
    /// Rows.
    pub rows: Vec<RowShown>,
    /// What to say when there are none.
    pub absence: AbsenceShown,
}

/// Why there is nothing, so that it cannot be misread.
pub struct AbsenceShown {
    /// In short.
    pub chip: Markup,
    /// In full.
    pub text: String,
}

/// An item.
pub struct RowShown {
    /// Words.
    pub text: Markup,
    /// Codes.
    pub codes: Vec<CodeShown>,
    /// Statuses in words.
    pub statuses: Vec<String>,
    /// Dosage, reactions, notes.
    pub details: Vec<Markup>,
    /// The last day, of a medication that is over by its dates.
    pub ended: Option<Markup>,
    /// When.
    pub at: Option<Markup>,
}

/// A code.
pub struct CodeShown {
    /// System.
    pub system: String,
    /// Code.
    pub code: String,
    /// The system's word.
    pub display: Option<Markup>,
    /// How a code that was added stands to the recorded ones.
    pub mapped: Option<&'static str>,
}

/// A result.
pub struct ResultShown {
    /// Words.
    pub text: Markup,
    /// Codes.
    pub codes: Vec<CodeShown>,
    /// As reported.
    pub value: Markup,
    /// Reported value is missing; why.
    pub absent: Option<String>,
    /// In other units: quantity, rule.
    pub converted: Vec<(String, String)>,
    /// Ranges as reported.
    pub ranges: Vec<Markup>,
    /// Interpretation in words.
    pub flags: Vec<Markup>,
    /// Notes.
    pub notes: Vec<Markup>,
    /// Status in words, unless final.
    pub status: Option<String>,
    /// When.
    pub at: Option<Markup>,
}

/// The patient.
pub fn person(f: &Frame, person: &Person) -> PersonShown {
    let script = |script: Script| match script {
        Script::Kanji => "name-kanji",
        Script::Kana => "name-kana",
        Script::Latin => "name-latin",
        Script::Unstated => "name-unstated",
    };
    PersonShown {
        names: person
            .names
            .iter()
            .map(|name| {
                let label = f.t.say(script(name.script));
                let label = if name.proposed { format!("{label} · {}", f.t.say("name-proposed")) } else { label };
                (f.words(&name.text), label)
            })
            .collect(),
        birth_date: person.birth_date.as_deref().map(|date| f.date(date)),
        gender: person.gender.as_deref().map(|gender| f.t.code("gender", gender)),
        identifiers: person.identifiers.iter().map(|(label, value)| (f.words(label), value.clone())).collect(),
        languages: person.languages.iter().map(|code| language(f, code)).collect(),
        deceased: person.deceased,
    }
}

/// A language tag in words, where the pages have a word for it.
pub fn language(f: &Frame, code: &str) -> String {
    let primary = code.split('-').next().unwrap_or(code);
    let words = f.t.code("spoken", primary);
    if words == primary { code.to_owned() } else { words }
}

/// Problems, allergies, medications.
pub fn lists(f: &Frame, summary: &Summary) -> Vec<ListShown> {
    summary
        .lists
        .iter()
        .map(|list| {
            let (anchor, title) = match list.kind {
                ListKind::Problems => ("problems", "problems"),
                ListKind::Allergies => ("allergies", "allergies"),
                ListKind::Medications => ("medications", "medications"),
                ListKind::Immunizations => ("immunizations", "immunizations"),
                ListKind::Procedures => ("procedures", "procedures"),
            };
            ListShown {
                anchor,
                title: f.t.say(title),
                rows: list.items.iter().map(|item| row(f, list.kind, item)).collect(),
                absence: absence(f, list.absence, anchor),
            }
        })
        .collect()
}

/// What an empty list means.
pub fn absence(f: &Frame, absence: Absence, of: &str) -> AbsenceShown {
    match absence {
        Absence::NoInformation => AbsenceShown {
            chip: Markup::chip("unknown", &f.t.say("absence-no-information")),
            text: f.t.say("absence-no-information-means"),
        },
        Absence::NoneKnown => AbsenceShown {
            chip: Markup::chip("good", &f.t.say(&format!("absence-none-known-{of}"))),
            text: f.t.say("absence-none-known-means"),
        },
        Absence::Withheld => AbsenceShown {
            chip: Markup::chip("wait", &f.t.say("absence-withheld")),
            text: f.t.say("absence-withheld-means"),
        },
    }
}

/// The results.
pub fn results(f: &Frame, summary: &Summary) -> Vec<ResultShown> {
    summary.results.items.iter().map(|result| measured(f, result)).collect()
}

fn row(f: &Frame, kind: ListKind, item: &Item) -> RowShown {
    // "Active" of a drug is not "active" of a disease in every language.
    let state = |code: &String| match (kind, code.as_str()) {
        (ListKind::Medications, "active") => f.t.say("state-medication-active"),
        _ => f.t.code("state", code),
    };
    let text = if item.text.is_empty() { f.t.say("item-unnamed") } else { item.text.clone() };
    RowShown {
        text: f.words(&text),
        codes: codes(f, &item.codes),
        statuses: item.statuses.iter().map(state).collect(),
        details: item.details.iter().map(|detail| f.words(detail)).collect(),
        ended: item.ended.as_deref().map(|day| f.date(day)),
        at: item.at.as_deref().map(|at| f.moment(at)),
    }
}

fn codes(f: &Frame, codes: &[Code]) -> Vec<CodeShown> {
    codes
        .iter()
        .map(|one| CodeShown {
            system: one.system.clone(),
            code: one.code.clone(),
            display: one.display.as_deref().map(|display| f.words(display)),
            mapped: one.mapped,
        })
        .collect()
}

fn measured(f: &Frame, result: &Measured) -> ResultShown {
    let text = if result.text.is_empty() { f.t.say("item-unnamed") } else { result.text.clone() };
    ResultShown {
        text: f.words(&text),
        codes: codes(f, &result.codes),
        value: f.words(&result.value),
        absent: result.value.is_empty().then(|| match &result.absent {
            Some(reason) => f.t.fill("result-absent-because", "reason", reason),
            None => f.t.say("result-absent"),
        }),
        converted: result.converted.iter().map(|one| (one.quantity.clone(), one.rule.clone())).collect(),
        ranges: result.ranges.iter().map(|range| f.words(range)).collect(),
        flags: result.flags.iter().map(|flag| f.words(flag)).collect(),
        notes: result.notes.iter().map(|note| f.words(note)).collect(),
        status: result.status.as_deref().map(|status| f.t.code("state", status)),
        at: result.at.as_deref().map(|at| f.moment(at)),
    }
}

/// The returned document.
pub struct ReplyShown {
    /// Its title.
    pub title: Markup,
    /// When it was written.
    pub at: Option<Markup>,
    /// Headings and texts.
    pub sections: Vec<(Markup, Markup)>,
}

/// The returned document.
pub fn reply(f: &Frame, reply: &Reply) -> ReplyShown {
    ReplyShown {
        title: f.words(&reply.title.clone().unwrap_or_else(|| f.t.say("reply"))),
        at: reply.at.as_deref().map(|at| f.moment(at)),
        sections: reply.sections.iter().map(|(title, text)| (f.words(title), f.words(text))).collect(),
    }
}

/// `Condition entered-in-error 1; …` as lines of kind, reason and number. What reads otherwise is shown as it is.
pub fn left_out(f: &Frame, told: &str) -> Vec<String> {
    let lines = told.split("; ").filter(|line| !line.is_empty());
    lines
        .map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [kind, reason, n] => format!("{kind}: {} ({n})", f.t.code("left-out", reason)),
            _ => line.to_owned(),
        })
        .collect()
}
