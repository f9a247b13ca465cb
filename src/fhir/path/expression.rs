//! A FHIRPath expression as a tree.

use super::decimal::Decimal;
use super::moment::Moment;
use super::quantity::Quantity;

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    /// `{}`
    Nothing,
    Truth(bool),
    Whole(i64),
    Decimal(Decimal),
    Text(Box<str>),
    Moment(Moment),
    Quantity(Quantity<'static>),
    /// `%resource`
    Variable(Box<str>),
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// Elements of a name; of what is looked at, where nothing stands before.
    Member {
        of: Option<Box<Expression>>,
        name: Box<str>,
    },
    /// A function; of what is looked at, where nothing stands before.
    Call {
        of: Option<Box<Expression>>,
        function: Function,
        arguments: Vec<Expression>,
    },
    /// `is`, `as` and `ofType`, as operators and as functions.
    Typed {
        of: Option<Box<Expression>>,
        test: TypeTest,
        named: TypeName,
    },
    /// `of[index]`
    At {
        of: Box<Expression>,
        index: Box<Expression>,
    },
    /// `-of`
    Negative(Box<Expression>),
    /// `+of`
    Positive(Box<Expression>),
    Binary {
        operator: Operator,
        left: Box<Expression>,
        right: Box<Expression>,
    },
}

/// What is asked of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeTest {
    Is,
    As,
    OfType,
}

/// `System.Boolean`, `FHIR.Patient`, `Patient`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeName {
    pub(super) namespace: Option<Box<str>>,
    pub(super) name: Box<str>,
}

/// An operator between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Contains,
    Equal,
    Equivalent,
    Unequal,
    Inequivalent,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Union,
    Plus,
    Minus,
    Joined,
    Times,
    Over,
    Div,
    Mod,
}

macro_rules! functions {
    ($($function:ident $name:literal $least:literal $most:literal),+ $(,)?) => {
        /// A function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function {
            $($function),+
        }

        impl Function {
            /// By its name, with how many arguments it takes.
            pub(super) fn named(name: &str) -> Option<(Self, usize, usize)> {
                match name {
                    $($name => Some((Self::$function, $least, $most)),)+
                    _ => None,
                }
            }
        }
    };
}

functions! {
    Abs "abs" 0 0,
    Aggregate "aggregate" 1 2,
    All "all" 1 1,
    AllFalse "allFalse" 0 0,
    AllTrue "allTrue" 0 0,
    AnyFalse "anyFalse" 0 0,
    AnyTrue "anyTrue" 0 0,
    Ceiling "ceiling" 0 0,
    Children "children" 0 0,
    Combine "combine" 1 1,
    Comparable "comparable" 1 1,
    ConformsTo "conformsTo" 1 1,
    Contains "contains" 1 1,
    ConvertsToBoolean "convertsToBoolean" 0 0,
    ConvertsToDate "convertsToDate" 0 0,
    ConvertsToDateTime "convertsToDateTime" 0 0,
    ConvertsToDecimal "convertsToDecimal" 0 0,
    ConvertsToInteger "convertsToInteger" 0 0,
    ConvertsToQuantity "convertsToQuantity" 0 1,
    ConvertsToString "convertsToString" 0 0,
    ConvertsToTime "convertsToTime" 0 0,
    Count "count" 0 0,
    Decode "decode" 1 1,
    Descendants "descendants" 0 0,
    Distinct "distinct" 0 0,
    Empty "empty" 0 0,
    Encode "encode" 1 1,
    EndsWith "endsWith" 1 1,
    Escape "escape" 1 1,
    Exclude "exclude" 1 1,
    Exists "exists" 0 1,
    Exp "exp" 0 0,
    Extension "extension" 1 1,
    First "first" 0 0,
    Floor "floor" 0 0,
    GetValue "getValue" 0 0,
    HasValue "hasValue" 0 0,
    HighBoundary "highBoundary" 0 1,
    HtmlChecks "htmlChecks" 0 0,
    Iif "iif" 2 3,
    IndexOf "indexOf" 1 1,
    Intersect "intersect" 1 1,
    IsDistinct "isDistinct" 0 0,
    Join "join" 0 1,
    Last "last" 0 0,
    LastIndexOf "lastIndexOf" 1 1,
    Length "length" 0 0,
    Ln "ln" 0 0,
    Log "log" 1 1,
    LowBoundary "lowBoundary" 0 1,
    Lower "lower" 0 0,
    Matches "matches" 1 1,
    MatchesFull "matchesFull" 1 1,
    MemberOf "memberOf" 1 1,
    Not "not" 0 0,
    Now "now" 0 0,
    Power "power" 1 1,
    Precision "precision" 0 0,
    Repeat "repeat" 1 1,
    Replace "replace" 2 2,
    ReplaceMatches "replaceMatches" 2 2,
    Resolve "resolve" 0 0,
    Round "round" 0 1,
    Select "select" 1 1,
    Single "single" 0 0,
    Skip "skip" 1 1,
    Sort "sort" 0 8,
    Split "split" 1 1,
    Sqrt "sqrt" 0 0,
    StartsWith "startsWith" 1 1,
    SubsetOf "subsetOf" 1 1,
    Substring "substring" 1 2,
    SupersetOf "supersetOf" 1 1,
    Tail "tail" 0 0,
    Take "take" 1 1,
    TimeOfDay "timeOfDay" 0 0,
    ToBoolean "toBoolean" 0 0,
    ToChars "toChars" 0 0,
    ToDate "toDate" 0 0,
    ToDateTime "toDateTime" 0 0,
    ToDecimal "toDecimal" 0 0,
    ToInteger "toInteger" 0 0,
    ToQuantity "toQuantity" 0 1,
    ToString "toString" 0 0,
    ToTime "toTime" 0 0,
    Today "today" 0 0,
    Trace "trace" 1 2,
    Trim "trim" 0 0,
    Truncate "truncate" 0 0,
    Type "type" 0 0,
    Unescape "unescape" 1 1,
    Union "union" 1 1,
    Upper "upper" 0 0,
    Where "where" 1 1,
}
