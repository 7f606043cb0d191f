//! Calls of the library: texts, paths, patterns, times, lambdas, and arguments given as a dict.

use super::Grammar;

impl Grammar {
    /// One call, mostly with values that it is made for.
    pub(super) fn call_of_the_library(&mut self) -> String {
        match self.chance.below(7) {
            0 => self.time(),
            1 => self.path(),
            2 => self.pattern(),
            3 => self.lambda(),
            4 => self.given_as_dict(),
            5 => self.parsed(),
            _ => self.coded(),
        }
    }

    fn time(&mut self) -> String {
        let time = match self.chance.below(5) {
            0 => format!(
                "timestamp(winfiletime={})",
                self.one(&["0", "133444736000000000", "116444736000000000"])
            ),
            1 => format!("timestamp(mactime={})", self.one(&["3782844800", "2082844800"])),
            2 => {
                format!("timestamp(cocoatime={})", self.one(&["1.5", "700000000", "721692800.25"]))
            }
            3 => format!(
                "timestamp(epoch={})",
                self.one(&["1700000000", "1700000000.25", "1700000000123456", "-5"])
            ),
            _ => format!(
                "timestamp(string={})",
                self.one(&[
                    "'2023-11-14T22:13:20Z'",
                    "'2023-11-14T22:13:20+02:00'",
                    "'2023-11-14 22:13:20'",
                    "'2023-11-14'",
                    "'Tue, 14 Nov 2023 22:13:20 GMT'",
                    "'1700000000'",
                    "'2023/11/14 22:13:20'",
                ])
            ),
        };
        match self.chance.below(6) {
            0 => format!("{time}.Unix"),
            1 => format!("{time} < timestamp(epoch=1600000000)"),
            2 => format!("{time} > '2023-11-14'"),
            3 => format!("{time} >= {}", self.number()),
            4 => format!("format(format='%v', args=[{time}, ])"),
            _ => time,
        }
    }

    fn path(&mut self) -> String {
        let path = self.one(&["'/a/b.c'", "'a'", "''", "'/'", "'/a//b/'", "'/a/../b'", "'a b/c'"]);
        match self.chance.below(8) {
            6 | 7 => self.path_value(path),
            0 => format!("basename(path={path})"),
            1 => format!("dirname(path={path})"),
            2 => format!("path_split(path={path})"),
            3 => format!("path_join(components=({path}, 'x', {}))", self.text()),
            4 => format!("relpath(path={path}, base={})", self.one(&["'/a'", "'/'", "'/x/y'"])),
            _ => format!(
                "commandline_split(command={})",
                self.one(&["'a b'", "'a \"b c\" d'", "''"])
            ),
        }
    }

    /// What is asked of a path, or done with it.
    fn path_value(&mut self, path: &str) -> String {
        let value = match self.chance.below(3) {
            0 => format!("pathspec(Path={path})"),
            1 => format!("pathspec(Path={path}, DelegateAccessor='file', DelegatePath='/z.zip')"),
            _ => "pathspec(parse='/p/q/r')".to_owned(),
        };
        match self.chance.below(8) {
            0 => format!("{value} + {}", self.text()),
            1 => format!("({value} + ('k', 'l')).Dirname + 'm'"),
            2 => format!("{value}[{}]", self.one(&["0", "1", "-1", "7", "-7"])),
            3 => format!("({value} + 'e/f')[{}:{}]", self.bound(), self.bound()),
            4 => format!("dirname(path={value} + 's/t') + 'u'"),
            5 => format!("format(format='%v %T', args=({value}, {value}))"),
            _ => {
                let member = self.one(&[
                    "Basename",
                    "Components",
                    "DelegateAccessor",
                    "DelegatePath",
                    "Dirname",
                    "HumanString",
                    "Path",
                    "String",
                    "Dirname.Basename",
                    "None",
                ]);
                format!("({value} + 'n/o').{member}")
            }
        }
    }

    fn pattern(&mut self) -> String {
        let text = self.one(&["'key=value'", "'10.0.0.1 x'", "'aAbB'", "''", "'a,b;c'"]);
        match self.chance.below(6) {
            0 => format!("parse_string_with_regex(string={text}, regex='(?P<K>[a-z]+)=(?P<V>.+)')"),
            1 => format!("regex_replace(source={text}, re='(?P<x>[a-b])', replace='[$1]')"),
            2 => format!(
                "regex_replace(source={text}, re='[a-z]', replace_lambda='x=>upcase(string=x)')"
            ),
            3 => format!("regex_transform(source={text}, map=dict(`[ab]`='-', `[0-9]`='#'))"),
            4 => {
                format!("split(string={text}, sep={})", self.one(&["','", "'[,;]'", "'='", "'b'"]))
            }
            _ => format!(
                "{text} =~ {}",
                self.one(&["'^a'", "'(?-i)^A'", "'\\\\d+'", "'''\\.0'''", "'a|k'", "'B$'"])
            ),
        }
    }

    fn lambda(&mut self) -> String {
        let list = self.one(&[
            "(1, 2, 3)",
            "('a', 'b')",
            "[]",
            "(1, NULL, 'x')",
            "(dict(a=1), dict(a=2))",
        ]);
        let body = self.one(&["x > 1", "x = 'a'", "x", "x.a = 1", "NOT x", "x IN (1, 'b')"]);
        match self.chance.below(4) {
            0 => format!("all(items={list}, filter='x=>{}')", body.replace('\'', "\"")),
            1 => format!("any(items={list}, filter='x=>{}')", body.replace('\'', "\"")),
            _ => format!("filter(list={list}, condition='x=>{}')", body.replace('\'', "\"")),
        }
    }

    /// The arguments of a call as one dict.
    fn given_as_dict(&mut self) -> String {
        let value = self.expression(1);
        match self.chance.below(3) {
            0 => format!("format(`**`=dict(format='<%v>', args=({value}, )))"),
            1 => format!("split(`**`=dict(string={}, sep=','))", self.text()),
            _ => format!("upcase(`**`=dict(string={}))", self.text()),
        }
    }

    fn parsed(&mut self) -> String {
        match self.chance.below(7) {
            0 => "{ SELECT * FROM parse_csv(accessor='data', filename='A,B\n1,x\n2,y\n') }".to_owned(),
            1 => "{ SELECT * FROM parse_lines(accessor='data', filename='a\nb\n\nc') }".to_owned(),
            2 => "{ SELECT * FROM split_records(accessor='data', filenames='a:b\nc:d\n', regex=':', columns=['X', 'Y']) }".to_owned(),
            3 => format!("parse_json_array(data='{}')", self.one(&["[1, {\"a\": null}]", "[]", "[\"x\"]"])),
            4 => format!("parse_float(string={})", self.one(&["'1.5'", "'x'", "''", "'-2e3'", "'7'"])),
            5 => format!("read_file(accessor='data', filename={}, length=3)", self.text()),
            _ => format!("hash(accessor='data', path={}, hashselect='MD5')", self.text()),
        }
    }

    fn coded(&mut self) -> String {
        let text = self.text();
        match self.chance.below(10) {
            0 => format!("base64encode(string={text})"),
            1 => format!("base64decode(string={})", self.one(&["'YWJj'", "'YQ=='", "''", "'YQ'"])),
            2 => format!("unhex(string={})", self.one(&["'6162'", "''", "'0x61'"])),
            3 => format!("rot13(string={text})"),
            4 => format!("xor(string={text}, key={})", self.one(&["'k'", "'ab'"])),
            5 => format!("url(parse={}).Host", self.one(&["'http://a.b:80/c?d=e'", "'/x'", "''"])),
            6 => format!(
                "cidr_contains(ip={}, ranges='10.0.0.0/8')",
                self.one(&["'10.1.2.3'", "'11.0.0.1'"])
            ),
            7 => format!(
                "slice(list=(1, 2, 3, 4), start={}, end={})",
                self.chance.below(4),
                self.chance.below(6)
            ),
            8 => format!("humanize(bytes={})", self.one(&["0", "999", "12345", "5000000"])),
            _ => format!("len(list={text} + {})", self.text()),
        }
    }
}
