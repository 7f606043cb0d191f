//! Classes in brackets.

use super::{Class, Compiler, Escaped, Flaw, UNCLOSED_CLASS, Unit};

impl Compiler<'_> {
    /// A class, whose bracket is open.
    pub(super) fn class(&mut self) -> Result<Class, Flaw> {
        let is_negated = self.eat('^');
        let mut class = Class::new(self.greatest());
        let mut is_first = true;
        loop {
            let letter = self.take().ok_or(UNCLOSED_CLASS)?;
            if letter == ']' && !is_first {
                break;
            }
            is_first = is_first && letter == '-';
            let doubled = matches!(letter, '&' | '~') || letter == '-' && !is_first;
            if doubled && self.peek() == Some(letter) {
                return Err("sets of classes are not supported");
            }
            if letter == '[' {
                class.add_all(&self.named_class()?);
                continue;
            }
            if letter == '\\'
                && let Some(escaped) =
                    self.peek().and_then(|next| Class::escaped(next, self.greatest()))
            {
                self.take();
                class.add_all(&escaped);
                continue;
            }
            let low = self.member(letter)?;
            let mut high = low;
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.take();
                let letter = self.take().ok_or(UNCLOSED_CLASS)?;
                if letter == '-' {
                    return Err("sets of classes are not supported");
                }
                high = self.member(letter)?;
            }
            if high < low {
                return Err("invalid range in a character class");
            }
            class.add(low, high);
        }
        if self.flags.any_case {
            class.fold();
        }
        if is_negated {
            class.negate();
        }
        Ok(class)
    }

    /// One end of a range in a class.
    fn member(&mut self, letter: char) -> Result<u32, Flaw> {
        let letter = match letter {
            '\\' => match self.escaped()? {
                Escaped::Byte(byte) => return Ok(byte.into()),
                Escaped::Letter(letter) => letter,
            },
            '[' => return Err("sets of classes are not supported"),
            letter => letter,
        };
        if self.program.unit == Unit::Byte && !letter.is_ascii() {
            return Err("a character beyond ASCII in a class of bytes");
        }
        Ok(letter.into())
    }

    /// `[:alpha:]` or `[:^alpha:]` within a class, whose first bracket was read.
    fn named_class(&mut self) -> Result<Class, Flaw> {
        let named = self.rest.strip_prefix(':').and_then(|rest| rest.split_once(':'));
        let named = named.and_then(|(name, rest)| Some((name, rest.strip_prefix(']')?)));
        let (name, rest) = named.ok_or("sets of classes are not supported")?;
        let (name, is_negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
        let class = Class::named(name, self.greatest());
        let mut class = class.ok_or("unrecognized class name")?;
        self.rest = rest;
        if self.flags.any_case {
            class.fold();
        }
        if is_negated {
            class.negate();
        }
        Ok(class)
    }
}
