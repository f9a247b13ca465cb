//! Invariants: the part of FHIRPath (<http://hl7.org/fhirpath/N1/>) in which those of the table are written, as a tree.

use std::collections::HashSet;

/// An invariant of a type.
#[derive(Debug)]
pub(super) struct Rule {
    /// `obs-6`
    pub(super) key: &'static str,
    /// Its FHIRPath, for people.
    pub(super) text: &'static str,
    /// What must not be false of a value of the type.
    pub(super) holds: Expression,
}

/// An expression.
#[derive(Debug)]
pub(super) enum Expression {
    /// What is being looked at.
    This,
    /// `%resource`
    Resource,
    Text(&'static str),
    Number(&'static str),
    Truth(bool),
    /// Members of a name.
    Member {
        of: Box<Expression>,
        name: &'static str,
        /// The name is that of an element with several types: `value` is `valueQuantity`, too.
        is_choice: bool,
    },
    Call {
        on: Box<Expression>,
        function: Function,
        argument: Option<Box<Expression>>,
    },
    Operation {
        operator: Operator,
        left: Box<Expression>,
        right: Box<Expression>,
    },
}

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    All,
    AllFalse,
    Combine,
    Contains,
    Count,
    Descendants,
    Empty,
    Exists,
    First,
    HasValue,
    Intersect,
    Is,
    IsDistinct,
    Not,
    Select,
    StartsWith,
    Where,
}

/// An operator between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Union,
    Plus,
}

/// Reads `KEY EXPRESSION`.
pub(super) fn read(line: &'static str, stems: &HashSet<&'static str>) -> Result<Rule, String> {
    let (key, text) = line.split_once(' ').ok_or(line)?;
    let mut parser = Parser { tokens: tokens(text)?, at: 0, stems };
    let holds = parser.expression(0).ok_or_else(|| format!("{key}: cannot read {text}"))?;
    if parser.at < parser.tokens.len() {
        return Err(format!("{key}: more than one expression in {text}"));
    }
    Ok(Rule { key, text, holds })
}

fn function(name: &str) -> Option<Function> {
    Some(match name {
        "all" => Function::All,
        "allFalse" => Function::AllFalse,
        "combine" => Function::Combine,
        "contains" => Function::Contains,
        "count" => Function::Count,
        "descendants" => Function::Descendants,
        "empty" => Function::Empty,
        "exists" => Function::Exists,
        "first" => Function::First,
        "hasValue" => Function::HasValue,
        "intersect" => Function::Intersect,
        "is" => Function::Is,
        "isDistinct" => Function::IsDistinct,
        "not" => Function::Not,
        "select" => Function::Select,
        "startsWith" => Function::StartsWith,
        "where" => Function::Where,
        _ => return None,
    })
}

/// Operators by how tightly they bind.
fn operator(token: Token) -> Option<(u8, Operator)> {
    Some(match token {
        Token::Word("implies") => (1, Operator::Implies),
        Token::Word("or") => (2, Operator::Or),
        Token::Word("xor") => (2, Operator::Xor),
        Token::Word("and") => (3, Operator::And),
        Token::Word("in") => (4, Operator::In),
        Token::Sign("=") => (5, Operator::Equal),
        Token::Sign("!=") => (5, Operator::Unequal),
        Token::Sign("<") => (6, Operator::Less),
        Token::Sign("<=") => (6, Operator::LessOrEqual),
        Token::Sign(">") => (6, Operator::Greater),
        Token::Sign(">=") => (6, Operator::GreaterOrEqual),
        Token::Sign("|") => (7, Operator::Union),
        Token::Sign("+") => (8, Operator::Plus),
        _ => return None,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Word(&'static str),
    Text(&'static str),
    Number(&'static str),
    Sign(&'static str),
}

fn tokens(text: &'static str) -> Result<Vec<Token>, String> {
    let mut found = Vec::with_capacity(text.len() / 4);
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' => {
                let inner = rest.get(1..).and_then(|rest| rest.split_once('\'')).ok_or("a text without end")?.0;
                found.push(Token::Text(inner));
                inner.len() + 2
            }
            'a'..='z' | 'A'..='Z' | '%' | '$' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '%' | '$' | '_' | '-')));
                let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or("");
                found.push(Token::Word(word));
                word.len()
            }
            '0'..='9' => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                found.push(Token::Number(rest.get(..end).unwrap_or("")));
                end
            }
            _ => {
                let two = rest.get(..2).filter(|two| matches!(*two, "!=" | "<=" | ">="));
                let sign = two.or_else(|| rest.get(..1)).ok_or("not ASCII")?;
                found.push(Token::Sign(sign));
                sign.len()
            }
        };
        rest = rest.get(taken..).unwrap_or("").trim_start();
    }
    Ok(found)
}

struct Parser<'p> {
    tokens: Vec<Token>,
    at: usize,
    stems: &'p HashSet<&'static str>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn takes(&mut self, sign: &'static str) -> Option<()> {
        (self.peek()? == Token::Sign(sign)).then(|| self.at += 1)
    }

    /// Operands joined by operators that bind at least so tightly.
    fn expression(&mut self, tightness: u8) -> Option<Expression> {
        let mut left = self.steps()?;
        while let Some((own, operator)) = self.peek().and_then(operator).filter(|(own, _)| *own >= tightness.max(1)) {
            self.at += 1;
            let right = self.expression(own + 1)?;
            left = Expression::Operation { operator, left: Box::new(left), right: Box::new(right) };
        }
        Some(left)
    }

    /// An operand and what is asked of it: `coding.where(…).exists()`.
    fn steps(&mut self) -> Option<Expression> {
        let mut found = self.operand()?;
        while self.takes(".").is_some() {
            let Token::Word(name) = self.peek()? else { return None };
            self.at += 1;
            found = self.step(found, name)?;
        }
        Some(found)
    }

    fn operand(&mut self) -> Option<Expression> {
        let token = self.peek()?;
        self.at += 1;
        match token {
            Token::Text(text) => Some(Expression::Text(text)),
            Token::Number(number) => Some(Expression::Number(number)),
            Token::Word("true") => Some(Expression::Truth(true)),
            Token::Word("false") => Some(Expression::Truth(false)),
            Token::Word("$this") => Some(Expression::This),
            Token::Word("%resource") => Some(Expression::Resource),
            Token::Word("%ucum") => Some(Expression::Text("http://unitsofmeasure.org")),
            Token::Word(name) => self.step(Expression::This, name),
            Token::Sign("(") => {
                let inner = self.expression(0)?;
                self.takes(")")?;
                Some(inner)
            }
            Token::Sign(_) => None,
        }
    }

    fn step(&mut self, of: Expression, name: &'static str) -> Option<Expression> {
        if self.takes("(").is_none() {
            return Some(Expression::Member { of: Box::new(of), name, is_choice: self.stems.contains(name) });
        }
        let function = function(name)?;
        let argument = if self.takes(")").is_some() {
            None
        } else {
            let argument = self.expression(0)?;
            self.takes(")")?;
            Some(Box::new(argument))
        };
        Some(Expression::Call { on: Box::new(of), function, argument })
    }
}
