//! Drugs by ingredient. Same ingredient is never same product: strength, form and salt differ, and nothing here may be
//! used to substitute one for another.

use serde::Deserialize;

use super::TableError;

/// Drug codes and the ATC code of their ingredient.
#[derive(Debug)]
pub struct Ingredients(Vec<Row>);

#[derive(Debug, Deserialize)]
struct Row {
    ingredient: String,
    atc: String,
    system: String,
    /// A code, or its beginning followed by `*`.
    code: String,
}

impl Ingredients {
    /// Reads the table.
    pub fn read(table: &str, text: &str) -> Result<Self, TableError> {
        Ok(Self(super::rows::<Row>(table, text)?.into_iter().map(|(_, row)| row).collect()))
    }

    /// Name and ATC code of the ingredient of a drug code.
    pub fn of(&self, system: &str, code: &str) -> Option<(&str, &str)> {
        let row = self.0.iter().find(|row| {
            row.system == system
                && match row.code.strip_suffix('*') {
                    Some(beginning) => code.starts_with(beginning),
                    None => row.code == code,
                }
        })?;
        Some((&row.ingredient, &row.atc))
    }

    /// System, code and ATC code of every row that names a whole code.
    pub fn whole_codes(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let whole = self.0.iter().filter(|row| !row.code.ends_with('*'));
        whole.map(|row| (row.system.as_str(), row.code.as_str(), row.atc.as_str()))
    }
}
