//! Reads FHIRPath (<http://hl7.org/fhirpath/N1/#expressions>): operators by how tightly they bind.

use super::PathError;
use super::decimal::Decimal;
use super::expression::{Expression, Function, Operator, TypeName, TypeTest};
use super::moment::{Moment, MomentKind, Unit};
use super::quantity::Quantity;
use super::token::{Token, tokens};

/// Bytes of an expression.
const LONGEST: usize = 64 * 1024;
/// Expressions within each other: each is one of the stack, here and when it is evaluated.
const DEEPEST: usize = 160;

/// How tightly `is` and `as` bind; signs before an operand bind tighter than anything between two.
const TYPES: u8 = 8;

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Expression, PathError> {
    if text.len() > LONGEST {
        return Err(PathError::Syntax { at: LONGEST, what: "the expression is too long" });
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, end: text.len(), depth: 0 };
    let read = parser.expression(0)?;
    if parser.at < tokens.len() {
        return Err(parser.wrong("more than one expression"));
    }
    Ok(read)
}

/// An operator and how tightly it binds.
fn operator(token: &Token) -> Option<(u8, Operator)> {
    let text = match token {
        Token::Word(word) => &**word,
        Token::Sign(sign) => sign,
        _ => return None,
    };
    Some(match text {
        "implies" => (1, Operator::Implies),
        "or" => (2, Operator::Or),
        "xor" => (2, Operator::Xor),
        "and" => (3, Operator::And),
        "in" => (4, Operator::In),
        "contains" => (4, Operator::Contains),
        "=" => (5, Operator::Equal),
        "~" => (5, Operator::Equivalent),
        "!=" => (5, Operator::Unequal),
        "!~" => (5, Operator::Inequivalent),
        "<" => (6, Operator::Less),
        "<=" => (6, Operator::LessOrEqual),
        ">" => (6, Operator::Greater),
        ">=" => (6, Operator::GreaterOrEqual),
        "|" => (7, Operator::Union),
        "+" => (9, Operator::Plus),
        "-" => (9, Operator::Minus),
        "&" => (9, Operator::Joined),
        "*" => (10, Operator::Times),
        "/" => (10, Operator::Over),
        "div" => (10, Operator::Div),
        "mod" => (10, Operator::Mod),
        _ => return None,
    })
}

struct Parser<'t> {
    tokens: &'t [(usize, Token)],
    at: usize,
    end: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn wrong(&self, what: &'static str) -> PathError {
        PathError::Syntax { at: self.tokens.get(self.at).map_or(self.end, |(at, _)| *at), what }
    }

    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Sign(own)) if *own == sign);
        self.at += usize::from(is_it);
        is_it
    }

    fn wants(&mut self, sign: &str, what: &'static str) -> Result<(), PathError> {
        if self.takes(sign) { Ok(()) } else { Err(self.wrong(what)) }
    }

    /// Operands joined by operators that bind at least so tightly.
    fn expression(&mut self, tightness: u8) -> Result<Expression, PathError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("the expression is nested too deep"));
        }
        let mut left = self.signed()?;
        // What stands left grows by one level with each operator.
        let mut grown = 0;
        while let Some(token) = self.peek() {
            let test = match token {
                Token::Word(word) if **word == *"is" => Some(TypeTest::Is),
                Token::Word(word) if **word == *"as" => Some(TypeTest::As),
                _ => None,
            };
            if let Some(test) = test.filter(|_| TYPES >= tightness) {
                self.at += 1;
                left = Expression::Typed { of: Some(Box::new(left)), test, named: self.type_name()? };
            } else if let Some((own, operator)) = operator(token).filter(|(own, _)| *own >= tightness) {
                self.at += 1;
                let right = self.expression(own + 1)?;
                left = Expression::Binary { operator, left: Box::new(left), right: Box::new(right) };
            } else {
                break;
            }
            grown += 1;
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(self.wrong("the expression has too many operators in a row"));
            }
        }
        self.depth -= grown + 1;
        Ok(left)
    }

    fn signed(&mut self) -> Result<Expression, PathError> {
        for (sign, make) in [("-", Expression::Negative as fn(_) -> _), ("+", Expression::Positive as fn(_) -> _)] {
            if self.takes(sign) {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(self.wrong("the expression is nested too deep"));
                }
                let inner = self.signed()?;
                self.depth -= 1;
                return Ok(make(Box::new(inner)));
            }
        }
        self.steps()
    }

    /// An operand and what is asked of it: `name.where(…)[0]`.
    fn steps(&mut self) -> Result<Expression, PathError> {
        let mut found = self.operand()?;
        let mut grown = 0;
        loop {
            if self.takes(".") {
                found = self.invocation(Some(Box::new(found)))?;
            } else if self.takes("[") {
                let index = Box::new(self.expression(0)?);
                self.wants("]", "] is missing")?;
                found = Expression::At { of: Box::new(found), index };
            } else {
                self.depth -= grown;
                return Ok(found);
            }
            grown += 1;
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(self.wrong("the expression has too many steps"));
            }
        }
    }

    fn operand(&mut self) -> Result<Expression, PathError> {
        let Some(token) = self.peek() else { return Err(self.wrong("an operand is missing")) };
        match token {
            Token::Text(text) => {
                self.at += 1;
                Ok(Expression::Text(text.clone()))
            }
            Token::Number(digits) => {
                self.at += 1;
                self.number(digits)
            }
            Token::Moment(text) => {
                let read = moment(text).ok_or_else(|| self.wrong("no such date or time"))?;
                self.at += 1;
                Ok(Expression::Moment(read))
            }
            Token::Variable(name) => {
                self.at += 1;
                Ok(Expression::Variable(name.clone()))
            }
            Token::Sign("(") => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.wants(")", ") is missing")?;
                Ok(inner)
            }
            Token::Sign("{") => {
                self.at += 1;
                self.wants("}", "} is missing")?;
                Ok(Expression::Nothing)
            }
            Token::Word(word) if matches!(&**word, "true" | "false") => {
                self.at += 1;
                Ok(Expression::Truth(**word == *"true"))
            }
            Token::Sign(_) => Err(self.wrong("an operand is missing")),
            Token::Word(_) | Token::Quoted(_) | Token::Dollar(_) => self.invocation(None),
        }
    }

    /// A number, or a quantity where a unit follows.
    fn number(&mut self, digits: &str) -> Result<Expression, PathError> {
        let decimal = || Decimal::read(digits).ok_or_else(|| self.wrong("a number of too many digits"));
        let quantity = match self.peek() {
            Some(Token::Text(unit)) => Some(Quantity::of(decimal()?, unit.to_string())),
            Some(Token::Word(word)) if Unit::named(word).is_some() => {
                Some(Quantity { value: decimal()?, unit: word.to_string().into(), is_calendar: true })
            }
            _ => None,
        };
        if let Some(quantity) = quantity {
            self.at += 1;
            return Ok(Expression::Quantity(quantity));
        }
        if digits.contains('.') {
            return Ok(Expression::Decimal(decimal()?));
        }
        digits.parse().map(Expression::Whole).map_err(|_| self.wrong("a number of too many digits"))
    }

    /// A name, a function, or `$this`.
    fn invocation(&mut self, of: Option<Box<Expression>>) -> Result<Expression, PathError> {
        let Some(token) = self.peek() else { return Err(self.wrong("a name is missing")) };
        self.at += 1;
        match token {
            Token::Dollar(name) if of.is_none() => match &**name {
                "this" => Ok(Expression::This),
                "index" => Ok(Expression::Index),
                "total" => Ok(Expression::Total),
                _ => Err(self.wrong("only $this, $index and $total are known")),
            },
            Token::Quoted(name) => Ok(Expression::Member { of, name: name.clone() }),
            Token::Word(name) => {
                if self.takes("(") {
                    self.call(of, name)
                } else {
                    Ok(Expression::Member { of, name: name.clone() })
                }
            }
            _ => Err(self.wrong("a name is missing")),
        }
    }

    fn call(&mut self, of: Option<Box<Expression>>, name: &str) -> Result<Expression, PathError> {
        let test = match name {
            "is" => Some(TypeTest::Is),
            "as" => Some(TypeTest::As),
            "ofType" => Some(TypeTest::OfType),
            _ => None,
        };
        if let Some(test) = test {
            let named = self.type_name()?;
            self.wants(")", ") is missing")?;
            return Ok(Expression::Typed { of, test, named });
        }
        let (function, least, most) = Function::named(name).ok_or_else(|| self.wrong("an unknown function"))?;
        let mut arguments = Vec::new();
        if !self.takes(")") {
            loop {
                arguments.push(self.expression(0)?);
                if !self.takes(",") {
                    break;
                }
            }
            self.wants(")", ") is missing")?;
        }
        if !(least..=most).contains(&arguments.len()) {
            return Err(self.wrong("a function with another number of arguments"));
        }
        Ok(Expression::Call { of, function, arguments })
    }

    fn type_name(&mut self) -> Result<TypeName, PathError> {
        let first = self.name()?;
        if self.takes(".") {
            return Ok(TypeName { namespace: Some(first), name: self.name()? });
        }
        Ok(TypeName { namespace: None, name: first })
    }

    fn name(&mut self) -> Result<Box<str>, PathError> {
        let Some(Token::Word(name) | Token::Quoted(name)) = self.peek() else {
            return Err(self.wrong("a name is missing"));
        };
        self.at += 1;
        Ok(name.clone())
    }
}

/// What stands after `@`.
fn moment(text: &str) -> Option<Moment> {
    match text.strip_prefix('T') {
        Some(time) => Moment::read(MomentKind::Time, time),
        None if text.contains('T') => Moment::read(MomentKind::DateTime, text),
        None => Moment::read(MomentKind::Date, text),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn hostile_expressions_are_refused() {
        for text in [
            "",
            "2 + 2 /",
            "a b",
            "'x",
            "/* x",
            "a.b(",
            "f()",
            "substring()",
            "@2015-13-01",
            "%",
            "$what",
            "a[1",
            "1 is",
            "99999999999999999999999999999999",
            &"(".repeat(10_000),
            &"-".repeat(10_000),
            &"a.".repeat(10_000),
            &format!("a{}", ".b".repeat(10_000)),
            &format!("1{}", "+1".repeat(10_000)),
            &"a[".repeat(10_000),
            &"not(".repeat(10_000),
        ] {
            assert!(parse(text).is_err(), "{:.40}", text);
        }
        for text in ["%`ext-x`", "a.where(b = 'c')[0]", "-1.5 'mg'", "a is FHIR.`Patient`", "@2015T", "{} | 1 week"] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
