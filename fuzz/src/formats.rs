//! Files in formats that queries take apart.

use std::sync::Arc;

use troodon_vql::{
    Accessor, Budget, Context, Entries, Event, Expression, Fault, FileInfo, Now, Program, Query,
    Reader, Registry, Session, Setup, Text, Value, json, standard,
};

/// The input under every path.
struct OneFile(Text);

impl Accessor for OneFile {
    fn open(&self, cx: &mut Context, _: &Text) -> Result<Box<dyn Reader>, Fault> {
        standard::DataAccessor.open(cx, &self.0)
    }

    fn stat(&self, cx: &mut Context, _: &Text) -> Result<FileInfo, Fault> {
        standard::DataAccessor.stat(cx, &self.0)
    }

    fn read_dir(&self, cx: &mut Context, _: &Text) -> Result<Box<dyn Entries>, Fault> {
        standard::DataAccessor.read_dir(cx, &self.0)
    }
}

/// A packed file or an archive, walked and read.
pub fn archive(data: &[u8]) {
    let queries = [
        "SELECT read_file(accessor='gzip', filename='/x', length=100000) FROM scope()",
        "SELECT read_file(accessor='bzip2', filename='/x', length=100000) FROM scope()",
        "SELECT Size, Data, read_file(accessor='zip', filename=OSPath, length=100000) FROM glob(accessor='zip', globs='/**', root=pathspec(DelegatePath='/x'))",
    ];
    let mut registry = Registry::core();
    standard::add(&mut registry);
    troodon_parsers::add(&mut registry);
    registry.add_accessor("auto", &[], Arc::new(OneFile(Text::from(data))));
    let registry = Arc::new(registry);
    for query in queries {
        let mut setup = Setup::agent(Arc::clone(&registry));
        setup.budget = Budget { steps: Some(20_000), rows: Some(100), ..Budget::board() };
        let mut session = Session::new(setup);
        let mut query = Query::new(Program::parse(query).expect("the query is fixed"));
        while let Ok(event) = query.step(&mut session, Now::default(), 1_000) {
            match event {
                Event::Row(row) => check(&Value::from(row)),
                Event::OutOfFuel => {}
                Event::Pending(_) | Event::End => break,
            }
        }
    }
}

/// Seeds of [`archive`].
#[must_use]
pub fn archives() -> Vec<Vec<u8>> {
    let texts = [
        "1f8b0800000000000203cb48cdc9c9e7020020303a3606000000",
        "425a6839314159265359c1c080e2000001410000100244a00030cd00c3462997177245385090c1c080e2",
        "504b03041400000000000000210086a610360500000005000000010000006168656c6c6f504b0304140000000800000021000bb4213e09 \
         0000000f00000003000000642f62cb48cdc9c9cf801300504b010214031400000000000000210086a61036050000000500000001000000 \
         000000000000000080010000000061504b01021403140000000800000021000bb4213e090000000f000000030000000000000000000000 \
         800124000000642f62504b05060000000002000200600000004e0000000000",
    ];
    texts.map(unhex).to_vec()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks_exact(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect()
}

/// The value of an expression over `Data`, within a small budget; its JSON is well-formed text.
fn evaluate(expression: &str, variables: &[(&'static str, &[u8])]) {
    let mut registry = Registry::core();
    standard::add(&mut registry);
    let mut setup = Setup::agent(Arc::new(registry));
    setup.budget = Budget { steps: Some(20_000), ..Budget::board() };
    let mut session = Session::new(setup);
    for (name, bytes) in variables {
        session.set(*name, Text::from(*bytes));
    }
    let expression = Expression::parse(expression).expect("the expression is fixed");
    if let Ok(value) = session.evaluate(Now::default(), &expression) {
        check(&value);
    }
}

fn check(value: &Value) {
    let text = json::to_string(value);
    assert!(!text.contains('\n'), "{text:?}");
}

fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    (data.get(..at).unwrap_or_default(), data.get(at + 1..).unwrap_or_default())
}

/// A profile, a NUL, and the file that it describes.
pub fn profile(data: &[u8]) {
    let (profile, file) = halves(data);
    let call = "parse_binary(accessor='data', filename=Data, profile=Profile, struct='A')";
    evaluate(call, &[("Profile", profile), ("Data", file)]);
}

/// A grok pattern or a template, a NUL, and a text.
pub fn grok(data: &[u8]) {
    let (pattern, text) = halves(data);
    let variables = [("Pattern", pattern), ("Data", text)];
    evaluate(
        "grok(grok=Pattern, data=Data, patterns=dict(A='%{B}', B='%{A}'), all_captures=TRUE)",
        &variables,
    );
    evaluate(
        "template(template=Pattern, expansion=dict(Data=Data, L=(1, 2)), html=TRUE)",
        &variables,
    );
}

/// An XML or YAML document.
pub fn document(data: &[u8]) {
    tolerate(troodon_parsers::xml::parse(data));
    tolerate(troodon_parsers::yaml::parse(data));
}

/// A property list.
pub fn plist(data: &[u8]) {
    tolerate(troodon_parsers::plist::parse(data));
}

/// Certificates.
pub fn x509(data: &[u8]) {
    tolerate(troodon_parsers::x509::parse(data));
}

/// A program of Windows.
pub fn program(data: &[u8]) {
    tolerate(troodon_parsers::pe::parse(data));
}

fn tolerate(value: Result<Value, String>) {
    match value {
        Ok(value) => check(&value),
        Err(why) => assert!(!why.is_empty()),
    }
}

/// Seeds of [`profile`].
#[must_use]
pub fn profiles() -> Vec<Vec<u8>> {
    let texts = [
        "[[\"A\",\"x=>x.N + 4\",[[\"N\",0,\"uint8\"],[\"S\",1,\"String\",{\"length\":\"x=>x.N\"}],[\"L\",4,\"Array\",{\"type\":\"B\",\"count\":\"x=>x.N\",\"sentinel\":\"x=>x.X = 3\"}],[\"P\",0,\"Profile\",{\"type\":\"A\",\"offset\":\"x=>x.EndOf\"}]]],[\"B\",2,[[\"X\",0,\"int16b\"]]]]\0\x03abcdefghijkl",
        "[[\"A\",8,[[\"E\",0,\"Enumeration\",{\"type\":\"uint8\",\"map\":{\"x\":3}}],[\"F\",1,\"Flags\",{\"bitmap\":{\"a\":70}}],[\"B\",0,\"BitField\",{\"start_bit\":60,\"end_bit\":4}],[\"T\",0,\"WinFileTime\"],[\"D\",0,\"FatTimestamp\"],[\"V\",0,\"leb128\"],[\"W\",0,\"String\",{\"encoding\":\"utf16\"}],[\"U\",0,\"Union\",{\"selector\":\"x=>x.E\",\"choices\":{\"x\":\"A\"}}],[\"Q\",0,\"Pointer\",{\"type\":\"float64\"}],],],]\0\x03\x7f\x7f\x7f\x7f",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Seeds of [`grok`].
#[must_use]
pub fn groks() -> Vec<Vec<u8>> {
    let texts = [
        "%{SYSLOGBASE} %{GREEDYDATA:x.y}\0Jan  2 03:04:05 host sshd[123]: Accepted",
        "%{COMBINEDAPACHELOG}|%{TIMESTAMP_ISO8601}%{URI}%{A}\0127.0.0.1 - - [1",
        "a {{- if .Data }}{{ range .L }}{{ . }}{{ else if not .X }}{{ end }}{{ end -}} {{ len $.L }}\0<&>",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Seeds of [`document`].
#[must_use]
pub fn documents() -> Vec<Vec<u8>> {
    let texts = [
        "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY e 'x'>]><a x='&lt;'><n:b>&#65;&e;</n:b><b/><![CDATA[c]]>t</a>",
        "a: &x [1, 2.5, null, ~, 0x1f, *x]\nb:\n  - |\n    text\n  - {c: d, ? e : f}\n--- !!str 1\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Seeds of [`plist`].
#[must_use]
pub fn plists() -> Vec<Vec<u8>> {
    let texts = [
        "<?xml version='1.0'?><plist version='1.0'><dict><key>a</key><array><integer>-5</integer><real>1.5</real><true/></array>\
         <key>b</key><date>2024-02-29T10:00:00Z</date><key>c</key><data>aGk=</data></dict></plist>",
        "{ a = (1, \"b c\", <0aff>); d = { e = f; }; }",
    ];
    let binary = unhex(
        "62706c6973743030d5010203040506070c0d12516151625164516e537569641001a408090a0b233ff8000000000000094200ff64007400 \
         e4007800743341c5c84690000000d20e0f1011536269675178140000000000000000800000000000000013fffffffffffffffb80070813 \
         1517191b1f21262f30333c454a4e50616a000000000000010100000000000000130000000000000000000000000000006c",
    );
    let mut seeds = texts.map(|text| text.as_bytes().to_vec()).to_vec();
    seeds.push(binary);
    seeds
}

/// Seeds of [`x509`].
#[must_use]
pub fn certificates() -> Vec<Vec<u8>> {
    let rsa = include_bytes!("../../parsers/tests/rsa.der");
    let elliptic = include_bytes!("../../parsers/tests/elliptic.der");
    vec![rsa.to_vec(), elliptic.to_vec(), [&rsa[..], elliptic].concat()]
}

/// Seeds of [`program`].
#[must_use]
pub fn programs() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../parsers/tests/tiny.dll").to_vec()]
}
