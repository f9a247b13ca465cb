//! Words, signs and literals of FHIRPath: <http://hl7.org/fhirpath/N1/#lexical-elements>.

use super::PathError;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name or keyword.
    Word(Box<str>),
    /// A name in backticks, which is never a keyword.
    Quoted(Box<str>),
    /// A text, its escapes undone.
    Text(Box<str>),
    /// Digits, with a fraction or without.
    Number(Box<str>),
    /// What follows `@`.
    Moment(Box<str>),
    /// `%name`
    Variable(Box<str>),
    /// `$this`
    Dollar(Box<str>),
    Sign(&'static str),
}

const SIGNS: [&str; 22] =
    ["!=", "!~", "<=", ">=", "<", ">", "=", "~", "|", "+", "-", "*", "/", "&", "(", ")", "[", "]", "{", "}", ".", ","];

/// The tokens of a text, each with the byte where it begins.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, PathError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::with_capacity(text.len() / 4);
    loop {
        lexer.skip_space()?;
        let start = lexer.at;
        match lexer.token()? {
            Some(token) => found.push((start, token)),
            None => return Ok(found),
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn wrong(&self, what: &'static str) -> PathError {
        PathError::Syntax { at: self.at, what }
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or("")
    }

    fn skip_space(&mut self) -> Result<(), PathError> {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if let Some(comment) = self.rest().strip_prefix("/*") {
                let end = comment.find("*/").ok_or_else(|| self.wrong("a comment without end"))?;
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Option<Token>, PathError> {
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        Ok(Some(match first {
            '\'' => Token::Text(self.quoted('\'')?),
            '`' => Token::Quoted(self.quoted('`')?),
            '@' => {
                self.at += 1;
                Token::Moment(self.moment().into())
            }
            '%' => {
                self.at += 1;
                Token::Variable(match self.rest().chars().next() {
                    Some(quote @ ('`' | '\'')) => self.quoted(quote)?,
                    _ => self.some_word()?.into(),
                })
            }
            '$' => {
                self.at += 1;
                Token::Dollar(self.some_word()?.into())
            }
            '0'..='9' => Token::Number(self.number().into()),
            'a'..='z' | 'A'..='Z' | '_' => Token::Word(self.word().into()),
            _ => {
                let sign = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign));
                let sign = sign.ok_or_else(|| self.wrong("a character that means nothing here"))?;
                self.at += sign.len();
                Token::Sign(sign)
            }
        }))
    }

    fn word(&mut self) -> &'t str {
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    fn some_word(&mut self) -> Result<&'t str, PathError> {
        let word = self.word();
        if word.is_empty() { Err(self.wrong("a name is missing")) } else { Ok(word) }
    }

    fn number(&mut self) -> &'t str {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        let mut after = self.rest().chars();
        if after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        self.text.get(start..self.at).unwrap_or("")
    }

    /// Digits and `-`, then `T`, and a time with its zone. A point belongs to it before a digit only.
    fn moment(&mut self) -> &'t str {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit() || c == '-');
        if self.rest().starts_with('T') {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit() || c == ':');
            let mut after = self.rest().chars();
            if after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1;
                self.take_while(|c| c.is_ascii_digit());
            }
            if self.rest().starts_with('Z') {
                self.at += 1;
            } else if self.rest().starts_with(['+', '-'])
                && self.rest().get(1..3).is_some_and(|hour| hour.bytes().all(|byte| byte.is_ascii_digit()))
                && self.rest().get(3..4) == Some(":")
            {
                self.at += 1;
                self.take_while(|c| c.is_ascii_digit() || c == ':');
            }
        }
        self.text.get(start..self.at).unwrap_or("")
    }

    fn quoted(&mut self, quote: char) -> Result<Box<str>, PathError> {
        let mut read = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.at += at + 1;
                return Ok(read.into());
            }
            if letter != '\\' {
                read.push(letter);
                continue;
            }
            let escaped = letters.next().map_or(' ', |(_, letter)| letter);
            let meant = match escaped {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                    code.and_then(char::from_u32).ok_or_else(|| self.wrong("an escape that is no character"))?
                }
                '\'' | '"' | '`' | '\\' | '/' => escaped,
                // Regular expressions in texts carry escapes of their own.
                other => {
                    read.push('\\');
                    other
                }
            };
            read.push(meant);
        }
        Err(self.wrong("a text without end"))
    }
}
