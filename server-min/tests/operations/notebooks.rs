//! Notebooks from the command line: whose they are, whose rights their queries have, what leaves them.

use serde_json::{Value, json};

use super::bench::{Bench, text};

impl Bench {
    /// The standard output of a command as this user.
    fn own(&self, user: &str, arguments: &[&str]) -> String {
        self.output(&[&["--runas", user, "notebook"], arguments].concat()).trim().to_owned()
    }

    fn refused(&self, user: &str, arguments: &[&str]) -> String {
        self.refusal(&[&["--runas", user, "notebook"], arguments].concat())
    }

    /// A reader who may edit notebooks.
    fn writer(&self, name: &str) {
        self.output(&["user", "add", name, "secret", "--role", "reader"]);
        self.output(&["acl", "grant", name, r#"{"notebook_editor":true}"#, "--merge"]);
    }

    fn cells(&self, user: &str, notebook: &str) -> Vec<Value> {
        let shown: Value = serde_json::from_str(&self.own(user, &["show", notebook])).unwrap();
        shown["cells"].as_array().unwrap().clone()
    }
}

#[test]
fn a_query_in_a_cell_has_the_rights_of_whoever_runs_it() {
    let bench = Bench::new();
    bench.writer("rita");
    let notebook = bench.own("rita", &["create", "Case"]);
    let vql = "SELECT * FROM chain(a={SELECT OS FROM info()}, b={SELECT 'reads' AS OS FROM hunts() LIMIT 0}, \
               c={SELECT 'here' AS OS FROM scope()})";
    let cell = bench.own("rita", &["add", &notebook, "--vql", vql]);
    let run = bench.run(&["--runas", "rita", "notebook", "run", &notebook, "--format", "jsonl"]);
    assert_eq!(text(&run.stdout), "{\"OS\":\"here\"}\n", "{}", text(&run.stderr));
    let denied = "info: PermissionDenied: Permission denied: [MACHINE_STATE]";
    assert!(text(&run.stderr).contains(denied), "{}", text(&run.stderr));
    let cells = bench.cells("rita", &notebook);
    assert_eq!(cells[0]["cell_id"].to_string(), cell);
    assert_eq!((&cells[0]["state"], &cells[0]["rows"]), (&json!("done"), &json!(1)));
    assert_eq!(cells[0]["runner"], "rita");
    let told = bench.audited("rita");
    assert!(told.contains(&("EditNotebook".into(), true)), "{told:?}");
    assert!(told.contains(&("Query".into(), false)), "{told:?}");
}

#[test]
fn a_notebook_is_seen_by_those_with_whom_it_is_shared() {
    let bench = Bench::new();
    for name in ["ann", "ben", "eve"] {
        bench.writer(name);
    }
    let notebook = bench.own("ann", &["create", "Ours"]);
    assert!(bench.refused("ben", &["show", &notebook]).contains("there is no notebook"));
    bench.own("ann", &["share", &notebook, "BEN"]);
    let cell = bench.own("ben", &["add", &notebook, "--markdown", "# From Ben"]);
    bench.own("ben", &["edit", &notebook, &cell, "# Still from Ben"]);
    assert_eq!(bench.cells("ann", &notebook)[0]["input"], "# Still from Ben");
    for (user, arguments) in [
        ("ben", &["share", notebook.as_str(), "eve"][..]),
        ("ben", &["delete", &notebook]),
        ("eve", &["add", &notebook, "--markdown", "x"]),
        ("eve", &["show", &notebook]),
    ] {
        bench.refused(user, arguments);
        assert!(bench.audited(user).iter().any(|(_, allowed)| !allowed), "{user} {arguments:?}");
    }
    let seen = |user: &str| {
        let vql = "SELECT name FROM notebooks()";
        bench.output(&["acl", "grant", user, r#"{"any_query":true}"#, "--merge"]);
        bench.output(&["--runas", user, "query", "--format", "jsonl", vql])
    };
    assert_eq!((seen("ben"), seen("eve")), ("{\"name\":\"Ours\"}\n".into(), String::new()));
    bench.own("ann", &["delete", &notebook]);
    assert!(bench.refused("ann", &["show", &notebook]).contains("there is no notebook"));
}

#[test]
fn an_exported_page_holds_no_markup_of_what_it_shows() {
    let bench = Bench::new();
    let notebook = bench.output(&["notebook", "create", "<b>Case</b>"]).trim().to_owned();
    let notebook = notebook.as_str();
    bench.output(&[
        "notebook",
        "add",
        notebook,
        "--markdown",
        "**bold** <script>alert(1)</script>",
    ]);
    let vql = "SELECT '<img src=x onerror=alert(1)>' AS `<i>A</i>`, 1 AS N FROM scope()";
    bench.output(&["notebook", "add", notebook, "--vql", vql]);
    bench.output(&["notebook", "run", notebook]);
    let file = bench.folder().join("case.html");
    bench.output(&["notebook", "export", notebook, file.to_str().unwrap()]);
    let page = std::fs::read_to_string(&file).unwrap();
    for bad in ["<script", "<img", "<b>Case", "<i>A"] {
        assert!(!page.contains(bad), "{bad}: {page}");
    }
    for good in ["<strong>bold</strong>", "<td>1</td>", "onerror"] {
        assert!(page.contains(good), "{good}: {page}");
    }
    let said = bench.refusal(&["notebook", "export", notebook, file.to_str().unwrap()]);
    assert!(said.contains("exists"), "{said}");
}

#[test]
fn a_template_brings_its_cells_and_its_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let template = "name: Custom.Case\ntype: NOTEBOOK\nparameters:\n- name: Word\n- name: Count\n  type: int\n  \
                    default: '2'\nsources:\n- notebook:\n  - type: markdown\n    template: '# Hello'\n  - type: vql\n    \
                    template: SELECT Word, Count + 1 AS Next FROM scope()\n";
    std::fs::write(folder.path().join("case.yaml"), template).unwrap();
    let patch = json!({"Frontend": {"artifact_definitions_directory": folder.path()}});
    let bench = Bench::merged(&patch.to_string());
    let create = [
        "notebook",
        "create",
        "x",
        "--template",
        "Custom.Case",
        "--args",
        "Word=it's 'quoted' \"x\"",
    ];
    let notebook = bench.output(&create).trim().to_owned();
    let rows = bench.output(&["notebook", "run", &notebook, "--format", "jsonl"]);
    let row: Value = serde_json::from_str(&rows).unwrap();
    assert_eq!(row, json!({"Word": "it's 'quoted' \"x\"", "Next": 3}));
    let said = bench.refusal(&["notebook", "create", "x", "--template", "Generic.Client.Info"]);
    assert!(said.contains("NOTEBOOK is needed here"), "{said}");
}

#[test]
fn a_query_that_is_cancelled_or_run_anew_ends() {
    let bench = Bench::new();
    let notebook = bench.output(&["notebook", "create", "x"]).trim().to_owned();
    let vql = "SELECT * FROM clock(period=1)";
    let cell = bench.output(&["notebook", "add", &notebook, "--vql", vql]).trim().to_owned();
    let mut running = bench.command(&["notebook", "run", &notebook, &cell]).spawn().unwrap();
    let state = || {
        let shown: Value =
            serde_json::from_str(&bench.output(&["notebook", "show", &notebook])).unwrap();
        shown["cells"][0]["state"].as_str().unwrap().to_owned()
    };
    while state() != "running" {
        assert!(running.try_wait().unwrap().is_none(), "it ended");
    }
    bench.output(&["notebook", "cancel", &notebook, &cell]);
    assert!(!running.wait().unwrap().success());
    assert_eq!(state(), "cancelled");
}

#[test]
fn source_yields_the_rows_of_a_cell_to_those_who_see_its_notebook() {
    let bench = Bench::new();
    for name in ["ann", "eve"] {
        bench.writer(name);
        bench.output(&["acl", "grant", name, r#"{"any_query":true}"#, "--merge"]);
    }
    let notebook = bench.own("ann", &["create", "Case"]);
    let first = bench.own("ann", &["add", &notebook, "--vql", "SELECT 'a' AS A FROM scope()"]);
    bench.own("ann", &["add", &notebook, "--vql", "SELECT 'b' AS B FROM range(end=2)"]);
    bench.own("ann", &["add", &notebook, "--markdown", "no rows"]);
    bench.own("ann", &["run", &notebook]);
    let rows = |user: &str, more: &str| {
        let vql = format!("SELECT * FROM source(notebook_id='{notebook}'{more})");
        let done = bench.run(&["--runas", user, "query", "--format", "json", &vql]);
        let rows: Value = serde_json::from_slice(&done.stdout).unwrap();
        (rows, text(&done.stderr).to_owned())
    };
    assert_eq!(rows("ann", &format!(", notebook_cell_id={first}")).0, json!([{"A": "a"}]));
    let last = rows("ann", "").0;
    let last = last.as_array().unwrap();
    assert!(last.len() >= 2 && last.iter().all(|row| *row == json!({"B": "b"})), "{last:?}");
    let (none, said) = rows("eve", "");
    assert_eq!(none, json!([]));
    assert!(said.contains("there is no notebook"), "{said}");
    let (none, said) = rows("ann", ", notebook_cell_id=999");
    assert_eq!((none, said.contains("has no cell 999")), (json!([]), true), "{said}");
}

#[test]
fn a_chart_is_drawn_into_the_page_without_anything_that_runs() {
    let bench = Bench::new();
    let notebook = bench.output(&["notebook", "create", "x"]).trim().to_owned();
    let vql = "-- chart: bars x=Name y=Count\n\
               SELECT '<script>alert(1)</script>' AS Name, 7 AS Count FROM scope()";
    bench.output(&["notebook", "add", &notebook, &format!("--vql={vql}")]);
    bench.output(&["notebook", "run", &notebook]);
    let file = bench.folder().join("chart.html");
    bench.output(&["notebook", "export", &notebook, file.to_str().unwrap()]);
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.contains("<svg") && page.contains("<rect") && !page.contains("<script"), "{page}");
}

#[test]
fn a_cell_that_does_not_parse_says_so() {
    let bench = Bench::new();
    let notebook = bench.output(&["notebook", "create", "x"]).trim().to_owned();
    let cell = bench.output(&["notebook", "add", &notebook, "--vql", "SELEKT"]).trim().to_owned();
    assert!(bench.refusal(&["notebook", "run", &notebook, &cell]).contains("failed"));
    bench.output(&["notebook", "edit", &notebook, &cell, "SELECT 1 AS A FROM scope()"]);
    assert!(bench.output(&["notebook", "run", &notebook, &cell, "--format", "csv"]).contains('1'));
    let said = bench.refusal(&["notebook", "run", &notebook, "999"]);
    assert!(said.contains("has no cell 999"), "{said}");
}
