//! Every page in a real browser: nothing is complained about, nothing hostile runs, and everybody can use it.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use hyper::StatusCode;
use serde_json::{Value, json};
use troodon_server::model::client::Host;
use troodon_server::model::role::Role;

use super::bench::{Bench, PASSWORD};
use super::doors::PAGES;
use super::webdriver::{Driver, Window};

/// A checker of accessibility, by the makers of most others' rules.
const AXE: &str = "axe-core@4.14.1";
/// What would change the title if it ran.
const HOSTILE: &str =
    "\"><img src=x onerror=\"document.title='ran'\"><script>document.title='ran'</script>";

/// Something on every page, hostile where it comes from a client.
async fn filled(lockdown: bool) -> Bench {
    let bench = Bench::with(|settings| settings.lockdown = lockdown).await;
    let host = Host { hostname: HOSTILE.into(), fqdn: HOSTILE.into(), ..Host::default() };
    let client = bench.add_client(host).await;
    let row = json!({HOSTILE: HOSTILE, "Link": "javascript:document.title='ran'", "N": 1});
    let flow = bench.add_rows(client, vec![format!("{row}\n")]).await;
    bench.add_file(client, &flow, HOSTILE, b"<script>document.title='ran'</script>").await;
    bench.add_event(client, &format!("{row}\n")).await;
    bench
}

async fn sign_in(window: &Window, name: &str) {
    window.go("/sign-in").await;
    window.write("#name", name).await;
    window.write("#password", PASSWORD).await;
    window.click("button[type=submit]").await;
    assert_eq!(window.place().await, "/");
    assert_eq!(window.complaints().await, Vec::<String>::new());
}

/// The pages that somebody sees: no downloads, no streams, nothing but documents.
async fn pages(bench: &Bench, name: &str) -> Vec<&'static str> {
    let mut browser = bench.browser();
    browser.sign_in(name, PASSWORD).await;
    let mut found = Vec::new();
    for (method, _, path, _, _) in PAGES {
        if *method != "GET" || *path == "/live" {
            continue;
        }
        let page = browser.get(path).await;
        let is_shown = page.header("content-type").starts_with("text/html")
            && page.header("content-disposition").is_empty();
        if page.status == StatusCode::OK && is_shown {
            found.push(*path);
        }
    }
    found
}

/// The checker; `None`, said aloud, when npm cannot get it.
fn axe() -> Option<&'static str> {
    static ONCE: OnceLock<Option<String>> = OnceLock::new();
    ONCE.get_or_init(fetch_axe).as_deref()
}

fn fetch_axe() -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if !file.exists() {
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
            "--prefix",
        ]);
        let done = npm.arg(&folder).arg(AXE).output();
        if !done.is_ok_and(|done| done.status.success()) {
            println!("SKIPPED: npm cannot install {AXE}: accessibility is not checked");
            return None;
        }
    }
    Some(std::fs::read_to_string(file).unwrap())
}

/// What is serious about the page that is shown.
async fn barriers(window: &Window, axe: &str) -> Vec<Value> {
    window.run(&format!("{axe}; return true")).await;
    let found = window
        .run_until_told(
            "const tell = arguments[arguments.length - 1]; \
             axe.run().then(all => tell(all.violations \
             .filter(one => one.impact === 'serious' || one.impact === 'critical') \
             .map(one => [one.id, one.nodes[0].html])), error => tell([String(error)]))",
        )
        .await;
    found.as_array().unwrap().clone()
}

/// Without this, a browser that hears nothing would pass everything.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_would_be_seen() {
    let Some(driver) = Driver::start() else { return };
    let bench = Bench::new().await;
    bench.visitor("ann", Role::Reader).await;
    let profile = tempfile::tempdir().unwrap();
    let window = driver.open(profile.path(), true, bench.browser().address()).await;
    sign_in(&window, "ann").await;
    let forbidden = "const added = document.createElement('script'); \
                     added.textContent = \"document.title = 'ran'\"; document.body.append(added); return 1";
    window.run(forbidden).await;
    assert_ne!(window.run("return document.title").await, "ran", "the policy lets nothing run");
    let said = window.complaints().await;
    assert!(said.iter().any(|one| one.contains("Content Security Policy")), "{said:?}");
    window.go("/users").await;
    let said = window.complaints().await;
    assert!(said.iter().any(|one| one.contains("403")), "{said:?}");
    let Some(axe) = axe() else { return };
    window.go("/").await;
    window.run("document.documentElement.removeAttribute('lang'); return 1").await;
    let found = barriers(&window, axe).await;
    assert!(found.iter().any(|one| one[0] == "html-has-lang"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_in_chromium_complain_of_nothing_and_keep_nobody_out() {
    let Some(driver) = Driver::start() else { return };
    let axe = axe();
    let (mut wrong, mut looked) = (Vec::new(), 0);
    for (lockdown, role) in
        [(false, Role::Administrator), (false, Role::Reader), (true, Role::Administrator)]
    {
        let bench = filled(lockdown).await;
        bench.visitor("ann", role).await;
        let shown = pages(&bench, "ann").await;
        assert!(shown.len() > 8, "{shown:?}");
        for scripts in [true, false] {
            let profile = tempfile::tempdir().unwrap();
            let window = driver.open(profile.path(), scripts, bench.browser().address()).await;
            sign_in(&window, "ann").await;
            for path in &shown {
                let about = format!("{path} for {role}, lockdown {lockdown}, scripts {scripts}");
                window.go(path).await;
                looked += 1;
                assert_eq!(&window.place().await, path, "{about}");
                wrong.extend(
                    window.complaints().await.into_iter().map(|one| format!("{about}: {one}")),
                );
                assert_ne!(window.run("return document.title").await, "ran", "{about}");
                if let Some(axe) = axe.filter(|_| scripts && role == Role::Administrator) {
                    let found = barriers(&window, axe).await.into_iter();
                    wrong.extend(found.map(|one| format!("{about}: {one}")));
                }
            }
        }
    }
    println!("{looked} pages were looked at");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
