//! Queries by chance: all operators, values of all kinds, the forms of SELECT and LET, and functions that both engines have.

mod library;

use hil_tests::Chance;

/// How deep expressions nest.
const DEPTH: u32 = 3;

/// A source of queries that depends on its seed only.
pub struct Grammar {
    chance: Chance,
    /// Names that an expression may use where it stands.
    names: Vec<&'static str>,
}

impl Grammar {
    pub fn from_seed(seed: u64) -> Self {
        Self { chance: Chance::from_seed(seed), names: Vec::new() }
    }

    /// One statement; a LET is followed by a SELECT that uses it.
    pub fn query(&mut self) -> String {
        self.names.clear();
        match self.chance.below(16) {
            0..=3 => format!("SELECT {} AS X FROM scope()", self.expression(DEPTH)),
            4..=7 => self.select(),
            8 => self.variable(),
            9 => self.with_parameters(),
            10 => format!("EXPLAIN {}", self.select()),
            11 => self.aggregates(),
            12 => self.stored_query(),
            _ => format!("SELECT {} AS X FROM scope()", self.call_of_the_library()),
        }
    }

    fn variable(&mut self) -> String {
        let arrow = self.one(&["=", "<="]);
        let value = self.expression(2);
        self.names.push("V");
        let use_of_it = self.expression(2);
        format!("LET V {arrow} {value} SELECT V, {use_of_it} AS X FROM scope()")
    }

    fn with_parameters(&mut self) -> String {
        self.names.extend(["A", "B"]);
        let body = self.expression(2);
        self.names.clear();
        let (a, b) = (self.expression(1), self.expression(1));
        format!("LET F(A, B) = {body} SELECT F(A={a}, B={b}) AS X FROM scope()")
    }

    /// A stored query with a parameter, used as a source and as a value.
    fn stored_query(&mut self) -> String {
        let (source, names) = self.source();
        self.names.extend(names);
        self.names.push("A");
        let (column, filter) = (self.expression(2), self.expression(1));
        self.names.clear();
        let arrow = self.one(&["Q(A, B=5) =", "Q(A) =", "Q(A=1) ="]);
        let argument = self.expression(1);
        let query = format!("LET {arrow} SELECT {column} AS X, A FROM {source} WHERE {filter}");
        match self.chance.below(3) {
            0 => format!("{query} SELECT * FROM Q(A={argument})"),
            1 => format!("{query} SELECT Q(A={argument}).X AS X FROM scope()"),
            _ => format!("{query} SELECT Q(A={argument})[0] AS X FROM scope()"),
        }
    }

    /// Several aggregates in one row, which each keep their own state.
    fn aggregates(&mut self) -> String {
        let (source, names) = self.source();
        self.names.extend(names);
        let (item, key) = (self.expression(1), self.expression(1));
        let outer = self.one(&["count()", "sum(item=1) + count()", "count() * 2", "max(item=2)"]);
        format!(
            "SELECT {outer} AS C, sum(item={item}) AS S, min(item={item}) AS Least, max(item={item}) AS Most, \
             enumerate(items={item}) AS E FROM {source} GROUP BY {key}"
        )
    }

    fn select(&mut self) -> String {
        let (source, names) = self.source();
        self.names.extend(names);
        let mut text = match self.chance.below(4) {
            0 => format!("SELECT * FROM {source}"),
            1 => format!("SELECT *, {} AS X FROM {source}", self.expression(2)),
            2 => self.grouped(&source),
            _ => format!(
                "SELECT {} AS X, {} AS Y FROM {source}",
                self.expression(2),
                self.expression(2)
            ),
        };
        if !text.contains("GROUP BY") && self.chance.below(3) == 0 {
            text = format!("{text} WHERE {}", self.expression(2));
        }
        if let Some(order) = self.names.first().filter(|_| text.contains("SELECT *")) {
            let direction = self.chance.below(4);
            match direction {
                0 => text = format!("{text} ORDER BY {order}"),
                1 => text = format!("{text} ORDER BY {order} DESC"),
                _ => {}
            }
        }
        if self.chance.below(4) == 0 {
            text = format!("{text} LIMIT {}", self.chance.below(4));
        }
        text
    }

    fn grouped(&mut self, source: &str) -> String {
        let aggregate = match self.chance.below(6) {
            0 => "count()".to_owned(),
            1 => format!("sum(item={})", self.number()),
            2 => format!("min(item={})", self.number()),
            3 => format!("max(item={})", self.number()),
            4 => format!("enumerate(items={})", self.expression(1)),
            _ => self.expression(1),
        };
        let key = self.expression(1);
        format!("SELECT {key} AS K, {aggregate} AS X FROM {source} GROUP BY K")
    }

    /// A source of rows, and the columns that it has.
    fn source(&mut self) -> (String, Vec<&'static str>) {
        match self.chance.below(8) {
            0 | 1 => (format!("range(end={})", self.chance.below(5)), vec!["_value"]),
            2 => (
                "foreach(row=(1, 'b', 2.5, NULL), query={ SELECT _value AS A, 7 AS B FROM scope() })"
                    .to_owned(),
                vec!["A", "B"],
            ),
            3 => (
                "foreach(row={ SELECT _value AS A FROM range(end=3) }, query={ SELECT A, B FROM foreach(row=(5, A), query={ SELECT _value AS B FROM scope() }) })".to_owned(),
                vec!["A", "B"],
            ),
            4 => (
                "chain(a={ SELECT 1 AS A, 'x' AS B FROM scope() }, b={ SELECT 2 AS A FROM scope() })"
                    .to_owned(),
                vec!["A", "B"],
            ),
            5 => (
                "flatten(query={ SELECT (1, 2, 3) AS A, 'b' AS B FROM scope() })".to_owned(),
                vec!["A", "B"],
            ),
            6 => {
                let condition = self.expression(1);
                (
                    format!("if(condition={condition}, then={{ SELECT 1 AS A FROM scope() }}, else={{ SELECT 2 AS A FROM range(end=2) }})"),
                    vec!["A"],
                )
            }
            _ => ("items(item=dict(a=1, b='x', c=NULL))".to_owned(), vec!["_key", "_value"]),
        }
    }

    fn expression(&mut self, depth: u32) -> String {
        if depth == 0 || self.chance.below(5) == 0 {
            return self.leaf();
        }
        let depth = depth - 1;
        match self.chance.below(12) {
            0..=3 => {
                let operator = self.one(&["+", "-", "*", "/", "+", "*"]);
                self.binary(depth, operator)
            }
            4 | 5 => {
                let operator = self.one(&["=", "!=", "<", "<=", ">", ">="]);
                self.binary(depth, operator)
            }
            6 => {
                let operator = self.one(&["AND", "OR", "and", "or", "IN"]);
                self.binary(depth, operator)
            }
            7 => format!("NOT {}", self.leaf()),
            8 => {
                let pattern =
                    self.one(&["'a'", "'^A'", "'[0-9]+'", "'.'", "'x$'", "'(?-i)B'", "''"]);
                format!("{} =~ {pattern}", self.leaf())
            }
            9 => self.member(depth),
            _ => self.call(depth),
        }
    }

    /// A bound of a slice.
    fn bound(&mut self) -> &'static str {
        self.one(&["", "0", "1", "2", "5", "-1", "-2"])
    }

    fn binary(&mut self, depth: u32, operator: &str) -> String {
        let (left, right) = (self.expression(depth), self.expression(depth));
        format!("({left} {operator} {right})")
    }

    fn member(&mut self, depth: u32) -> String {
        let value = self.expression(depth);
        match self.chance.below(9) {
            6 => {
                let (from, to) = (self.bound(), self.bound());
                format!("{}[{from}:{to}]", self.text())
            }
            7 => {
                let (from, to) = (self.bound(), self.bound());
                format!("({value}, 'b', 3)[{from}:{to}]")
            }
            8 => format!("{}[{}]", self.text(), self.one(&["0", "1", "-1", "7"])),
            0 => format!("dict(a={value}, b=2).a"),
            1 => format!("dict(`a b`={value}).`a b`"),
            2 => format!("({value}, 2, 3)[{}]", self.chance.below(4)),
            3 => "(1, 2, 3)[-1]".to_owned(),
            4 => format!("({value}, 'b', 3, 4)[1:{}]", self.chance.below(6)),
            _ => format!("{{ SELECT * FROM range(end={}) }}", self.chance.below(4)),
        }
    }

    fn call(&mut self, depth: u32) -> String {
        let value = self.expression(depth);
        match self.chance.below(22) {
            0 => format!(
                "if(condition={value}, then={}, else={})",
                self.expression(depth),
                self.leaf()
            ),
            1 => format!("len(list={value})"),
            2 => format!("str(str={value})"),
            3 => format!("int(int={value})"),
            4 => format!("upcase(string={})", self.text()),
            5 => format!("lowcase(string={})", self.text()),
            6 => format!("split(string={}, sep='[,b]')", self.text()),
            7 => format!("join(array=({value}, 'x', 2){})", self.one(&[", sep='-'", ""])),
            8 => {
                let verb = self
                    .one(&["%v", "%d", "%s", "%05d", "%x", "%q", "%T", "%6v|", "%-6v|", "%.2f"]);
                format!("format(format='<{verb}>', args=[{value}, ])")
            }
            9 => format!("get(item=dict(a={value}, b=2), member='a', default=5)"),
            10 => format!("regex_replace(source={}, re='[a-c]', replace='<$0>')", self.text()),
            11 => format!("serialize(item={value})"),
            12 => format!("dict(a={value}, b={})", self.leaf()),
            13 => format!("to_dict(item={{ SELECT 'k' AS _key, {value} AS _value FROM scope() }})"),
            14 => format!("filter(list=(1, 'a', 2, 'b'), condition='x=>x = {}')", self.number()),
            15 => format!("substr(str={}, start=1, end={})", self.text(), self.chance.below(5)),
            16 => format!("atoi(string={})", self.one(&["'12'", "'0x1F'", "'-3'", "'abc'", "''"])),
            17 => format!("set(item=dict(a=1), field='b', value={value})"),
            18 => {
                let kind = self.one(&["hex", "base64", "string", "json"]);
                format!("encode(string={value}, type='{kind}')")
            }
            19 => format!("strip(string={}, prefix='a', suffix='b')", self.text()),
            20 => format!(
                "parse_json(data='{}')",
                self.one(&["{\"a\": [1, 2.5, null]}", "{}", "[1]", "3", "{\"A\":\"x\"}"])
            ),
            _ => format!(
                "timestamp(epoch={})",
                self.one(&[
                    "0",
                    "1700000000",
                    "1700000000.5",
                    "1700000000123",
                    "'2023-11-14T22:13:20Z'",
                    "'2023-11-14'"
                ])
            ),
        }
    }

    fn leaf(&mut self) -> String {
        if !self.names.is_empty() && self.chance.below(2) == 0 {
            let at = usize::try_from(self.chance.below(self.names.len() as u64)).unwrap_or(0);
            return self.names[at].to_owned();
        }
        match self.chance.below(7) {
            0 | 1 => self.number(),
            2 | 3 => self.text(),
            4 => self.one(&["TRUE", "FALSE", "NULL"]).to_owned(),
            5 => self.one(&["(1, 2)", "('a', 'b')", "[]", "[3, ]", "(1, NULL, 'x')"]).to_owned(),
            _ => self.one(&["dict(a=1)", "dict()", "dict(b='x', a=dict(c=NULL))"]).to_owned(),
        }
    }

    fn number(&mut self) -> String {
        self.one(&[
            "0",
            "1",
            "2",
            "7",
            "-3",
            "0x10",
            "1.5",
            "0.1",
            "2.0",
            "1000000",
            "9223372036854775807",
        ])
        .to_owned()
    }

    fn text(&mut self) -> String {
        self.one(&["''", "'a'", "'ABC'", "'b'", "'12'", "'a,b'", "'x y'", "'ä'", "\"q'\\n\""])
            .to_owned()
    }

    fn one(&mut self, choices: &[&'static str]) -> &'static str {
        let at = usize::try_from(self.chance.below(choices.len() as u64)).unwrap_or(0);
        choices[at]
    }
}
