//! (being written)
/// Folds for search.
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}
