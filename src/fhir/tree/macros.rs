//! `json!` for trees, with the grammar of the one in `serde_json`. Names and literals are constants; expressions are moved
//! in through [`From`], or copied where a reference is given.

/// A [`Value`](crate::fhir::tree::Value) from JSON with expressions in it; used as `crate::fhir::tree::json!`.
macro_rules! json {
    // Lists: items so far in brackets, the rest behind.
    (@list [$($items:expr,)*]) => { vec![$($items,)*] };
    (@list [$($items:expr),*]) => { vec![$($items),*] };
    (@list [$($items:expr,)*] null $($rest:tt)*) => { $crate::fhir::tree::json!(@list [$($items,)* $crate::fhir::tree::json!(null)] $($rest)*) };
    (@list [$($items:expr,)*] [$($list:tt)*] $($rest:tt)*) => { $crate::fhir::tree::json!(@list [$($items,)* $crate::fhir::tree::json!([$($list)*])] $($rest)*) };
    (@list [$($items:expr,)*] {$($object:tt)*} $($rest:tt)*) => { $crate::fhir::tree::json!(@list [$($items,)* $crate::fhir::tree::json!({$($object)*})] $($rest)*) };
    (@list [$($items:expr,)*] $next:expr, $($rest:tt)*) => { $crate::fhir::tree::json!(@list [$($items,)* $crate::fhir::tree::json!($next),] $($rest)*) };
    (@list [$($items:expr,)*] $last:expr) => { $crate::fhir::tree::json!(@list [$($items,)* $crate::fhir::tree::json!($last)]) };
    (@list [$($items:expr),*] , $($rest:tt)*) => { $crate::fhir::tree::json!(@list [$($items,)*] $($rest)*) };
    // Members: one after the other into the map.
    (@members $map:ident) => {};
    (@members $map:ident $name:literal : null $(, $($rest:tt)*)?) => {
        $map.push($crate::fhir::tree::Text::constant($name), $crate::fhir::tree::Value::Null);
        $crate::fhir::tree::json!(@members $map $($($rest)*)?);
    };
    (@members $map:ident $name:literal : [$($list:tt)*] $(, $($rest:tt)*)?) => {
        $map.push($crate::fhir::tree::Text::constant($name), $crate::fhir::tree::json!([$($list)*]));
        $crate::fhir::tree::json!(@members $map $($($rest)*)?);
    };
    (@members $map:ident $name:literal : {$($object:tt)*} $(, $($rest:tt)*)?) => {
        $map.push($crate::fhir::tree::Text::constant($name), $crate::fhir::tree::json!({$($object)*}));
        $crate::fhir::tree::json!(@members $map $($($rest)*)?);
    };
    (@members $map:ident $name:literal : $value:expr $(, $($rest:tt)*)?) => {
        $map.push($crate::fhir::tree::Text::constant($name), $crate::fhir::tree::json!($value));
        $crate::fhir::tree::json!(@members $map $($($rest)*)?);
    };
    (null) => { $crate::fhir::tree::Value::Null };
    ([]) => { $crate::fhir::tree::Value::Array(Vec::new()) };
    ([$($list:tt)+]) => { $crate::fhir::tree::Value::Array($crate::fhir::tree::json!(@list [] $($list)+)) };
    ({}) => { $crate::fhir::tree::Value::Object($crate::fhir::tree::Map::new()) };
    ({$($members:tt)+}) => {{
        let mut map = $crate::fhir::tree::Map::with_capacity(4);
        $crate::fhir::tree::json!(@members map $($members)+);
        $crate::fhir::tree::Value::Object(map)
    }};
    ($constant:literal) => { $crate::fhir::tree::Value::literal($constant) };
    ($value:expr) => { $crate::fhir::tree::Value::from($value) };
}

pub(crate) use json;
