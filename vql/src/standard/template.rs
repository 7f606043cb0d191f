//! `template()`: text with places for values, in the part of Go's template language that people use.
//!
//! Known are `{{ .Name.Part }}`, `{{ . }}`, `{{ $ }}`, `{{ if X }}`, `{{ else if X }}`, `{{ else }}`, `{{ range X }}`,
//! `{{ with X }}`, `{{ end }}`, comments, literals, `not`, `len`, `eq`, `ne`, and `{{-` with `-}}`, which take white space away.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::text::shown;
use crate::args::Args;
use crate::budget::{Fault, Limit, Stop};
use crate::context::Context;
use crate::engine::{Scope, resolve};
use crate::limits::TEMPLATE_NESTING_MAX;
use crate::registry::{Arg, Function, Kind};
use crate::value::operators::{equal, is_true};
use crate::value::{Text, Value};

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[&Function::new(
    "template",
    "A text with {{ .Name }} replaced by values. {{ if }}, {{ range }}, {{ with }}, {{ else }} and {{ end }} are known.",
    &[
        Arg::required("template", Kind::String, "The text."),
        Arg::required("expansion", Kind::Dict, "The values."),
        Arg::optional(
            "html",
            Kind::Bool,
            "Write <, >, & and quotes of values as HTML does (false).",
        ),
    ],
    template,
)];

fn template(cx: &mut Context, scope: &Scope, args: &Args) -> Result<Value, Fault> {
    let text = args.string("template").unwrap_or_default();
    let tokens = tokens(&text)?;
    let mut parser = Parser { tokens: tokens.into_iter(), depth: 0 };
    let (nodes, end) = parser.block()?;
    if let Some(end) = end {
        return Err(Fault::error(format!("{{{{ {end} }}}} without a beginning")));
    }
    let values = args.dict("expansion").cloned().map_or(Value::Null, Value::Dict);
    let root = resolve(cx, scope, values)?;
    let mut writer = Writer { root: &root, html: args.flag("html"), out: Vec::new() };
    writer.write(cx, &nodes, &root)?;
    Ok(writer.out.into())
}

/// Text, or the inside of an action.
enum Token<'a> {
    Text(&'a str),
    Action(&'a str),
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, Fault> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut trims = false;
    while let Some((before, from)) = rest.split_once("{{") {
        let before = if trims { before.trim_start() } else { before };
        let Some((action, after)) = from.split_once("}}") else {
            return Err(Fault::error("{{ without its }}"));
        };
        let (action, trims_before) =
            action.strip_prefix("- ").map_or((action, false), |a| (a, true));
        let (action, trims_after) =
            action.strip_suffix(" -").map_or((action, false), |a| (a, true));
        tokens.push(Token::Text(if trims_before { before.trim_end() } else { before }));
        tokens.push(Token::Action(action.trim()));
        trims = trims_after;
        rest = after;
    }
    tokens.push(Token::Text(if trims { rest.trim_start() } else { rest }));
    Ok(tokens)
}

enum Node<'a> {
    Text(&'a str),
    Show(Vec<Term>),
    If(Vec<Term>, Vec<Self>, Vec<Self>),
    With(Vec<Term>, Vec<Self>, Vec<Self>),
    Range(Vec<Term>, Vec<Self>, Vec<Self>),
}

/// A word of an action.
#[derive(Clone)]
enum Term {
    /// `.A.B`, from the value that is looked at; the flag begins at the root instead (`$.A`).
    Path(bool, Vec<Text>),
    Literal(Value),
    Call(Operation),
}

#[derive(Clone, Copy)]
enum Operation {
    Not,
    Len,
    Equal,
    Unequal,
}

struct Parser<'a> {
    tokens: alloc::vec::IntoIter<Token<'a>>,
    depth: u16,
}

impl<'a> Parser<'a> {
    /// Nodes up to an `else` or `end`, which is handed out.
    fn block(&mut self) -> Result<(Vec<Node<'a>>, Option<&'a str>), Fault> {
        let mut nodes = Vec::new();
        while let Some(token) = self.tokens.next() {
            let action = match token {
                Token::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Token::Action(action) => action,
            };
            let (word, rest) = action.split_once(char::is_whitespace).unwrap_or((action, ""));
            match word {
                "end" | "else" => return Ok((nodes, Some(action))),
                "if" | "range" | "with" => nodes.push(self.compound(word, rest)?),
                _ if action.starts_with("/*") => {}
                _ => nodes.push(Node::Show(terms(action)?)),
            }
        }
        Ok((nodes, None))
    }

    fn compound(&mut self, word: &str, condition: &str) -> Result<Node<'a>, Fault> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > TEMPLATE_NESTING_MAX {
            return Err(Fault::error(format!(
                "actions are nested more than {TEMPLATE_NESTING_MAX} times"
            )));
        }
        let condition = terms(condition)?;
        let (body, end) = self.block()?;
        let otherwise = match end {
            Some("end") => Vec::new(),
            Some("else") => {
                let (otherwise, end) = self.block()?;
                if end != Some("end") {
                    return Err(Fault::error("{{ else }} without {{ end }}"));
                }
                otherwise
            }
            Some(other) => match other.strip_prefix("else if ") {
                // It shares the end of the first one.
                Some(condition) => alloc::vec![self.compound("if", condition)?],
                None => return Err(Fault::error(format!("unknown action {other}"))),
            },
            None => return Err(Fault::error(format!("{{{{ {word} }}}} without {{{{ end }}}}"))),
        };
        self.depth = self.depth.saturating_sub(1);
        Ok(match word {
            "if" => Node::If(condition, body, otherwise),
            "with" => Node::With(condition, body, otherwise),
            _ => Node::Range(condition, body, otherwise),
        })
    }
}

fn terms(text: &str) -> Result<Vec<Term>, Fault> {
    let mut terms = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let (term, after) = if first == '"' {
            let inside = rest.strip_prefix('"').unwrap_or_default();
            let (literal, after) =
                inside.split_once('"').ok_or_else(|| Fault::error("text without its end"))?;
            (Term::Literal(literal.into()), after)
        } else {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            (term(word)?, after)
        };
        terms.push(term);
        rest = after.trim_start();
    }
    if terms.is_empty() { Err(Fault::error("empty action")) } else { Ok(terms) }
}

fn term(word: &str) -> Result<Term, Fault> {
    let names =
        |path: &str| path.split('.').filter(|name| !name.is_empty()).map(Text::from).collect();
    if let Some(path) =
        word.strip_prefix('$').filter(|path| path.is_empty() || path.starts_with('.'))
    {
        return Ok(Term::Path(true, names(path)));
    }
    if let Some(path) = word.strip_prefix('.') {
        return Ok(Term::Path(false, names(path)));
    }
    Ok(match word {
        "not" => Term::Call(Operation::Not),
        "len" => Term::Call(Operation::Len),
        "eq" => Term::Call(Operation::Equal),
        "ne" => Term::Call(Operation::Unequal),
        "true" | "false" => Term::Literal((word == "true").into()),
        _ => match word.parse::<i64>() {
            Ok(number) => Term::Literal(number.into()),
            Err(_) => return Err(Fault::error(format!("{word} is not known in templates"))),
        },
    })
}

struct Writer<'a> {
    root: &'a Value,
    html: bool,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn write(&mut self, cx: &mut Context, nodes: &[Node<'_>], dot: &Value) -> Result<(), Fault> {
        for node in nodes {
            cx.charge(1)?;
            match node {
                Node::Text(text) => self.out.extend_from_slice(text.as_bytes()),
                Node::Show(terms) => {
                    let value = self.value(terms, dot)?;
                    self.show(&value);
                }
                Node::If(condition, body, otherwise) => {
                    let chosen =
                        if is_true(&self.value(condition, dot)?) { body } else { otherwise };
                    self.write(cx, chosen, dot)?;
                }
                Node::With(subject, body, otherwise) => match self.value(subject, dot)? {
                    value if is_true(&value) => self.write(cx, body, &value)?,
                    _ => self.write(cx, otherwise, dot)?,
                },
                Node::Range(subject, body, otherwise) => {
                    let elements: Vec<Value> = match self.value(subject, dot)? {
                        Value::List(list) => list.to_vec(),
                        Value::Dict(dict) => dict.values().to_vec(),
                        _ => Vec::new(),
                    };
                    if elements.is_empty() {
                        self.write(cx, otherwise, dot)?;
                    }
                    for element in elements {
                        self.write(cx, body, &element)?;
                    }
                }
            }
            if self.out.len() > cx.budget.value_bytes {
                return Err(Stop::from(Limit::ValueBytes(cx.budget.value_bytes)).into());
            }
        }
        Ok(())
    }

    fn value(&self, terms: &[Term], dot: &Value) -> Result<Value, Fault> {
        let plain = |term: &Term| match term {
            Term::Path(from_root, names) => {
                let start = if *from_root { self.root } else { dot };
                let found = names.iter().try_fold(start, |value, name| value.as_dict()?.get(name));
                Ok(found.cloned().unwrap_or_default())
            }
            Term::Literal(value) => Ok(value.clone()),
            Term::Call(_) => Err(Fault::error("a function needs its arguments behind it")),
        };
        Ok(match terms {
            [one] => plain(one)?,
            [Term::Call(Operation::Not), one] => (!is_true(&plain(one)?)).into(),
            [Term::Call(Operation::Len), one] => match plain(one)? {
                Value::List(list) => list.len().into(),
                Value::Dict(dict) => dict.len().into(),
                other => shown(&other).len().into(),
            },
            [Term::Call(Operation::Equal), one, two] => equal(&plain(one)?, &plain(two)?).into(),
            [Term::Call(Operation::Unequal), one, two] => {
                (!equal(&plain(one)?, &plain(two)?)).into()
            }
            _ => return Err(Fault::error("a function has too few or too many arguments")),
        })
    }

    fn show(&mut self, value: &Value) {
        let text = match value {
            Value::Null => return,
            Value::Bool(flag) => flag.to_string().into_bytes(),
            other => shown(other).into_owned(),
        };
        if !self.html {
            return self.out.extend_from_slice(&text);
        }
        for byte in text {
            match byte {
                b'<' => self.out.extend_from_slice(b"&lt;"),
                b'>' => self.out.extend_from_slice(b"&gt;"),
                b'&' => self.out.extend_from_slice(b"&amp;"),
                b'"' => self.out.extend_from_slice(b"&#34;"),
                b'\'' => self.out.extend_from_slice(b"&#39;"),
                other => self.out.push(other),
            }
        }
    }
}
