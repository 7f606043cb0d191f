//! `grok()` and `template()`: texts taken apart and put together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};

use troodon_vql::{Expression, Level, LogSink, Now, Registry, Session, Setup, json, standard};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl LogSink for Log {
    fn log(&mut self, _: Level, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

fn grok(pattern: &str, data: &str, more: &str) -> (String, Vec<String>) {
    let mut registry = Registry::core();
    standard::add(&mut registry);
    let log = Log::default();
    let mut setup = Setup::agent(Arc::new(registry));
    setup.log = Box::new(log.clone());
    let mut session = Session::new(setup);
    session.set("Pattern", pattern);
    session.set("Line", data);
    let call = format!("grok(grok=Pattern, data=Line{more})");
    let expression = Expression::parse(&call).unwrap();
    let value = json::to_string(&session.evaluate(Now::default(), &expression).unwrap());
    let log = log.0.lock().unwrap().clone();
    (value, log)
}

#[track_caller]
fn check(pattern: &str, data: &str, expected: &str) {
    let (value, log) = grok(pattern, data, "");
    assert_eq!(value, expected, "{pattern}: {log:?}");
}

#[test]
fn lines_of_syslog_and_of_web_servers_are_taken_apart() {
    check(
        r"%{SYSLOGTIMESTAMP:ts} (?:%{SYSLOGFACILITY} )?%{NOTSPACE:host} %{PROG:prog}(\[%{INT:pid:int}\])?: %{DATA}$",
        "Jan  2 03:04:05 host1 sshd[123]: Accepted",
        r#"{"facility":"","host":"host1","pid":"123","priority":"","prog":"sshd","ts":"Jan  2 03:04:05"}"#,
    );
    check(
        "%{COMMONAPACHELOG}",
        r#"127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326"#,
        r#"{"auth":"-","bytes":"2326","clientip":"127.0.0.1","httpversion":"1.0","ident":"-","rawrequest":"","request":"/a.gif","response":"200","timestamp":"10/Oct/2000:13:55:36 -0700","verb":"GET"}"#,
    );
    check(
        "%{TIMESTAMP_ISO8601:t} %{LOGLEVEL:l} %{PATH:p} %{UUID:u} %{MAC:m}",
        "2020-01-02T03:04:05Z INFO /usr/bin 550e8400-e29b-41d4-a716-446655440000 00:11:22:33:44:55",
        r#"{"l":"INFO","m":"00:11:22:33:44:55","p":"/usr/bin","t":"2020-01-02T03:04:05Z","u":"550e8400-e29b-41d4-a716-446655440000"}"#,
    );
    check("%{IP:a} %{IP:b}", "fe80::1 10.0.0.255", r#"{"a":"fe80::1","b":"10.0.0.255"}"#);
}

#[test]
fn groups_of_the_pattern_itself_and_odd_names_are_kept() {
    check("(?P<n>a+) %{IPORHOST:x.y}", "aaa foo.bar", r#"{"n":"aaa","x.y":"foo.bar"}"#);
    check("%{IP:client}", "nope", "{}");
}

#[test]
fn patterns_of_the_call_and_all_captures() {
    let (value, _) = grok("%{FOO:x}", "1 abc", ", patterns=dict(FOO='a.c')");
    assert_eq!(value, r#"{"x":"abc"}"#);
    let (value, _) = grok("%{HOUR:h}:%{MINUTE}", "10:20", ", all_captures=TRUE");
    assert_eq!(value, r#"{"MINUTE":"20","h":"10"}"#);
}

#[test]
fn mistakes_and_circles_are_errors() {
    for (pattern, more, reason) in [
        ("%{NOPE:x}", "", "grok: there is no pattern NOPE"),
        ("%{IP", "", "grok: %{ without its }"),
        ("%{A}", ", patterns=dict(A='%{A}')", "grok: patterns are nested more than 16 times"),
        ("(", "", "grok: invalid pattern"),
        (
            "%{A}%{A}%{A}",
            ", patterns=dict(A='%{B}%{B}%{B}%{B}', B='%{C}%{C}%{C}%{C}', C='%{D}%{D}%{D}%{D}', D='%{IP}%{IP}%{IP}%{IP}')",
            "grok: pattern of more than 65536 bytes",
        ),
    ] {
        let (value, log) = grok(pattern, "x", more);
        assert_eq!(value, "null", "{pattern}");
        assert!(log[0].starts_with(reason), "{log:?}");
    }
}

#[track_caller]
fn check_template(template_text: &str, expected: &str) {
    let mut registry = Registry::core();
    standard::add(&mut registry);
    let log = Log::default();
    let mut setup = Setup::agent(Arc::new(registry));
    setup.log = Box::new(log.clone());
    let mut session = Session::new(setup);
    session.set("T", template_text);
    let call = "template(template=T, expansion=dict(Name='<W>', L=(1, 2), D=dict(k=3), B=TRUE, N=NULL)) + ''";
    let value = session.evaluate(Now::default(), &Expression::parse(call).unwrap()).unwrap();
    let log = log.0.lock().unwrap().clone();
    let found = if log.is_empty() { json::to_string(&value) } else { log.join("; ") };
    assert_eq!(found, expected, "{template_text}");
}

#[test]
fn templates_show_values_choose_and_repeat() {
    check_template("{{ .D.k }} {{ .B }} {{ .N }}{{ .Missing }}{{ $.D.k }}", r#""3 true 3""#);
    check_template(
        "{{ if .B }}y{{ else }}n{{ end }}{{ if .N }}y{{ else if .B }}z{{ else }}n{{ end }}",
        r#""yz""#,
    );
    check_template(
        "{{ range .L }}[{{ . }}]{{ else }}none{{ end }}{{ range .N }}x{{ else }}none{{ end }}",
        r#""[1][2]none""#,
    );
    check_template("a {{- /* gone */ -}} b{{ with .D }}{{ .k }}{{ end }}", r#""ab3""#);
    check_template(
        "{{ len .L }}{{ if eq .D.k 3 }}e{{ end }}{{ if not .B }}n{{ end }}{{ \"x y\" }}",
        r#""2ex y""#,
    );
}

#[test]
fn mistakes_in_templates_are_named() {
    check_template("{{ .A", "template: {{ without its }}");
    check_template("{{ if .B }}", "template: {{ if }} without {{ end }}");
    check_template("{{ end }}", "template: {{ end }} without a beginning");
    check_template("{{ Upper .B }}", "template: Upper is not known in templates");
    check_template(&"{{ if .B }}".repeat(50), "template: actions are nested more than 32 times");
}
