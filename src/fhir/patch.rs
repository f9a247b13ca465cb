//! JSON Patch, RFC 6902: a list of operations, all of which are done, or none.

use serde_json::Value;

/// Operations of one patch at most.
const MOST: usize = 10_000;

/// Why a patch is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is no JSON Patch.
    #[error("the patch is not a JSON Patch: {0}")]
    Malformed(String),
    /// It names a place that the resource has not.
    #[error("operation {operation} of the patch: {path:?} is not in the resource")]
    NoPlace {
        /// Position, from 0.
        operation: usize,
        /// The JSON Pointer.
        path: String,
    },
    /// A `test` found another value.
    #[error("operation {operation} of the patch: the test of {path:?} fails")]
    TestFailed {
        /// Position, from 0.
        operation: usize,
        /// The JSON Pointer.
        path: String,
    },
}

/// Applies `patch` to `target`. After an error `target` may be half changed: patch a copy.
pub fn apply(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let operations = patch.as_array().ok_or_else(|| malformed("it must be an array of operations"))?;
    if operations.len() > MOST {
        return Err(malformed(format!("it has more than {MOST} operations")));
    }
    operations.iter().enumerate().try_for_each(|(number, operation)| one(target, number, operation))
}

fn malformed(what: impl Into<String>) -> PatchError {
    PatchError::Malformed(what.into())
}

fn one(target: &mut Value, number: usize, operation: &Value) -> Result<(), PatchError> {
    let text = |name: &str| {
        let found = operation.get(name).and_then(Value::as_str);
        found.ok_or_else(|| malformed(format!("operation {number} has no {name}")))
    };
    let pointer = |name: &str| {
        let path = text(name)?;
        if !path.is_empty() && !path.starts_with('/') {
            return Err(malformed(format!("operation {number}: {path:?} is no JSON Pointer")));
        }
        Ok(path)
    };
    let value = || operation.get("value").cloned().ok_or_else(|| malformed(format!("operation {number} has no value")));
    let path = pointer("path")?;
    let no_place = |path: &str| PatchError::NoPlace { operation: number, path: path.to_owned() };
    match text("op")? {
        "add" => add(target, path, value()?).ok_or_else(|| no_place(path)),
        "remove" => remove(target, path).map(drop).ok_or_else(|| no_place(path)),
        "replace" => {
            let value = value()?;
            *target.pointer_mut(path).ok_or_else(|| no_place(path))? = value;
            Ok(())
        }
        "move" => {
            let from = pointer("from")?;
            if path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
                return Err(malformed(format!("operation {number} moves {from:?} into itself")));
            }
            let moved = remove(target, from).ok_or_else(|| no_place(from))?;
            add(target, path, moved).ok_or_else(|| no_place(path))
        }
        "copy" => {
            let from = pointer("from")?;
            let copied = target.pointer(from).cloned().ok_or_else(|| no_place(from))?;
            add(target, path, copied).ok_or_else(|| no_place(path))
        }
        "test" => {
            let (found, wanted) = (target.pointer(path).ok_or_else(|| no_place(path))?, value()?);
            if equal(found, &wanted) {
                return Ok(());
            }
            Err(PatchError::TestFailed { operation: number, path: path.to_owned() })
        }
        other => {
            Err(malformed(format!("operation {number}: {other:?} is none of add, remove, replace, move, copy, test")))
        }
    }
}

/// Parent and unescaped last token of a pointer that is not empty.
fn parted(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *target = value;
        return Some(());
    }
    let (parent, last) = parted(path)?;
    match target.pointer_mut(parent)? {
        Value::Object(members) => drop(members.insert(last, value)),
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(&last).filter(|at| *at <= items.len())?;
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(target: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = parted(path)?;
    match target.pointer_mut(parent)? {
        Value::Object(members) => members.shift_remove(&last),
        Value::Array(items) => {
            let at = index(&last).filter(|at| *at < items.len())?;
            Some(items.remove(at))
        }
        _ => None,
    }
}

/// An array index: digits without a leading zero.
fn index(token: &str) -> Option<usize> {
    let is_plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    is_plain.then(|| token.parse().ok())?
}

/// Equal by RFC 6902 4.6: members in any order, numbers by their value.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(target: Value, patch: Value) -> Result<Value, PatchError> {
        let mut target = target;
        apply(&mut target, &patch).map(|()| target)
    }

    #[test]
    fn each_operation_does_what_it_says() {
        for (target, patch, expected) in [
            (json!({"a": 1}), json!([{"op": "add", "path": "/b", "value": 2}]), json!({"a": 1, "b": 2})),
            (json!({"a": [1, 3]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2, 3]})),
            (json!({"a": [1]}), json!([{"op": "add", "path": "/a/-", "value": 2}]), json!({"a": [1, 2]})),
            (json!({"a": 1, "b": 2}), json!([{"op": "remove", "path": "/a"}]), json!({"b": 2})),
            (json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/0"}]), json!({"a": [2]})),
            (json!({"a": 1}), json!([{"op": "replace", "path": "/a", "value": [2]}]), json!({"a": [2]})),
            (json!({"a": {"b": 1}}), json!([{"op": "move", "from": "/a/b", "path": "/c"}]), json!({"a": {}, "c": 1})),
            (json!({"a": 1}), json!([{"op": "copy", "from": "/a", "path": "/b"}]), json!({"a": 1, "b": 1})),
            (
                json!({"a/b": 1, "c~": 2}),
                json!([{"op": "remove", "path": "/a~1b"}, {"op": "test", "path": "/c~0", "value": 2}]),
                json!({"c~": 2}),
            ),
            (json!({"a": 1}), json!([{"op": "replace", "path": "", "value": {}}]), json!({})),
        ] {
            assert_eq!(patched(target, patch.clone()), Ok(expected), "{patch}");
        }
    }

    #[test]
    fn a_test_compares_values_and_not_spellings() {
        let target: Value = serde_json::from_str(r#"{"a": 1.50, "b": {"x": 1, "y": 2}}"#).unwrap();
        let same = serde_json::from_str::<Value>(
            r#"[{"op":"test","path":"/a","value":1.5},{"op":"test","path":"/b","value":{"y":2,"x":1}}]"#,
        );
        assert!(patched(target.clone(), same.unwrap()).is_ok());
        let other = json!([{"op": "test", "path": "/a", "value": "1.5"}]);
        assert!(matches!(patched(target, other), Err(PatchError::TestFailed { operation: 0, .. })));
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        let target = json!({"a": [1]});
        for path in ["/b", "/a/1", "/a/01", "/a/-", "/a/0/x", "/a/x"] {
            let patch = json!([{"op": "remove", "path": path}]);
            assert!(matches!(patched(target.clone(), patch), Err(PatchError::NoPlace { .. })), "{path}");
        }
        for patch in [
            json!({}),
            json!([1]),
            json!([{"op": "add", "path": "/a"}]),
            json!([{"op": "add", "path": "a", "value": 1}]),
            json!([{"op": "append", "path": "/a", "value": 1}]),
            json!([{"op": "move", "from": "/a", "path": "/a/0"}]),
            json!([{"op": "copy", "path": "/a"}]),
        ] {
            assert!(matches!(patched(target.clone(), patch.clone()), Err(PatchError::Malformed(_))), "{patch}");
        }
    }
}
