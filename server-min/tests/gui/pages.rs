//! What the pages show and offer, to whom.

use hyper::StatusCode;
use troodon_server::model::client::Host;
use troodon_server::model::role::Role;

use super::bench::{Bench, CLIENT, ROWS};

fn host() -> Host {
    Host { hostname: "web-1".into(), fqdn: "web-1.example".into(), ..Host::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_finds_a_client_collects_and_cancels() {
    let bench = Bench::new().await;
    bench.add_client(host()).await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    assert!(ann.get("/clients?q=host:web*").await.text.contains(CLIENT));
    assert!(ann.get("/clients?q=host:db*").await.text.contains("No client fits"));
    let page = ann.get(&format!("/clients/{CLIENT}")).await;
    assert!(page.text.contains("web-1.example") && page.text.contains("/collect"));
    let path = format!("/clients/{CLIENT}/collect");
    let form = ann.get(&format!("{path}?artifact=Generic.File.Hash")).await;
    assert!(form.text.contains("p:Globs"));
    let fields = [
        ("csrf", form.csrf()),
        ("artifact", "Generic.File.Hash".into()),
        ("p:Globs", "Glob\r\n/etc/os-release\r\n".into()),
    ];
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let launched = ann.post(&path, &fields).await;
    assert_eq!(launched.status, StatusCode::SEE_OTHER, "{}", launched.text);
    let flow = launched.place().to_owned();
    let page = ann.get(&flow).await;
    assert!(page.text.contains("RUNNING") && page.text.contains("No rows yet"));
    let cancel = ann.post(&format!("{flow}/cancel"), &[("csrf", &page.csrf())]).await;
    assert_eq!(cancel.place(), flow);
    assert!(ann.get(&flow).await.text.contains("Cancelled by ann"));
    let unknown = ann.post(&path, &[("csrf", &form.csrf()), ("artifact", "No.Such")]).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert!(unknown.text.contains("No.Such"));
    assert!(bench.audited().contains(&("ScheduleFlow".to_owned(), true)));
    assert!(bench.audited().contains(&("CancelFlow".to_owned(), true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_offered_nothing_that_would_be_refused_and_is_refused_on_record() {
    let bench = Bench::new().await;
    let client = bench.add_client(host()).await;
    bench.add_rows(client, vec!["{\"N\":1}\n".into()]).await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let page = rita.get(&format!("/clients/{CLIENT}")).await;
    assert_eq!(page.status, StatusCode::OK);
    for offer in ["/collect", "/label", "/audit"] {
        assert!(!page.text.contains(offer), "{offer}");
    }
    let csrf = page.csrf();
    let form = [("csrf", csrf.as_str()), ("add", "x"), ("artifact", "Generic.Client.Info")];
    for path in ["label", "collect", "flows/F.1/cancel"] {
        let refused = rita.post(&format!("/clients/{CLIENT}/{path}"), &form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.text.contains("Not permitted"), "{path}: {}", refused.text);
    }
    assert_eq!(rita.get("/audit").await.status, StatusCode::FORBIDDEN);
    for operation in ["SetClientLabel", "ScheduleFlow", "CancelFlow", "ReadAudit"] {
        assert!(bench.audited().contains(&(operation.to_owned(), false)), "{operation}");
    }
    assert!(rita.get(&format!("/clients/{CLIENT}/flows/F.1")).await.text.contains(">1</td>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_nothing_sees_nothing() {
    let bench = Bench::new().await;
    let client = bench.add_client(host()).await;
    bench.add_rows(client, vec!["{\"N\":1}\n".into()]).await;
    let mut eve = bench.visitor("eve", Role::ArtifactWriter).await;
    let flow = format!("/clients/{CLIENT}/flows/F.1");
    let rows = format!("{flow}/rows?name={ROWS}");
    let upload = format!("{flow}/uploads/0");
    let client = format!("/clients/{CLIENT}");
    for path in [
        "/",
        "/clients",
        "/hunts",
        "/monitoring",
        "/artifacts",
        "/audit",
        &client,
        &flow,
        &rows,
        &upload,
    ] {
        let page = eve.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        assert!(!page.text.contains("web-1"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lockdown_is_said_on_every_page_and_holds_for_administrators() {
    let bench = Bench::with(|settings| settings.lockdown = true).await;
    bench.add_client(host()).await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let page = ann.get(&format!("/clients/{CLIENT}")).await;
    assert!(page.text.contains("The server is in lockdown"));
    assert!(!page.text.contains("/collect"));
    let form = [("csrf", page.csrf()), ("artifact", "Generic.Client.Info".into())];
    let form: Vec<(&str, &str)> =
        form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = ann.post(&format!("/clients/{CLIENT}/collect"), &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("Server locked down"), "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_pages_and_whole() {
    let bench = Bench::new().await;
    let client = bench.add_client(host()).await;
    let lines: Vec<String> = (0..120).map(|n| format!("{{\"N\":{n}}}\n")).collect();
    bench.add_rows(client, lines.clone()).await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let flow = format!("/clients/{CLIENT}/flows/F.1");
    let page = rita.get(&flow).await;
    assert!(page.text.contains("Rows 1 to 50 of 120") && page.text.contains("start=50"));
    let page = rita.get(&format!("{flow}?name={ROWS}&start=100")).await;
    assert!(page.text.contains("Rows 101 to 120 of 120") && page.text.contains(">119</td>"));
    assert!(!page.text.contains(">On</a>"));
    let all = rita.get(&format!("{flow}/rows?name={ROWS}")).await;
    assert_eq!(all.text, lines.concat());
    assert!(
        all.header("content-disposition").starts_with("attachment; filename=\"F.1.Custom.Rows")
    );
    assert!(
        bench.audited().contains(&("ReadResults".to_owned(), true)),
        "who took rows is on record"
    );
    for gone in ["/clients/C.00", "/clients/C.0000000000000000", "/nothing", "/artifacts/No.Such"] {
        assert_eq!(rita.get(gone).await.status, StatusCode::NOT_FOUND, "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_live_below_the_base_path() {
    let bench = Bench::with(|settings| settings.base_path = "/troodon".into()).await;
    let page = bench.browser().get("/troodon/").await;
    assert_eq!(page.place(), "/troodon/sign-in");
    let page = bench.browser().get("/troodon/sign-in").await;
    assert!(page.text.contains("href=\"/troodon/style.css\""));
    assert_eq!(bench.browser().get("/sign-in").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_pages_are_told_of_changes_and_of_nothing_else() {
    let bench = Bench::new().await;
    let mut stranger = bench.browser();
    assert_eq!(stranger.get("/live").await.place(), "/sign-in");
    let rita = bench.visitor("rita", Role::Reader).await;
    let mut told = rita.listen("/live").await;
    assert_eq!(told.next().await, ":\n\n");
    bench.add_client(host()).await;
    assert_eq!(told.next().await, "data: changed\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_counts_and_tables_are_sorted_filtered_and_cut_to_columns() {
    let bench = Bench::new().await;
    let client = bench.add_client(host()).await;
    let lines = (0..120).map(|n| format!("{{\"N\":{n},\"T\":\"=t{n}\"}}\n")).collect();
    bench.add_rows(client, lines).await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let page = rita.get("/").await;
    for part in ["<svg viewBox", "Clients online", "of 1</span>", "Custom.Rows", "Version"] {
        assert!(page.text.contains(part), "{part}");
    }
    let flow = format!("/clients/{CLIENT}/flows/F.1");
    let page = rita.get(&format!("{flow}?sort=-N&filter=t11&column=T")).await;
    assert!(page.text.contains("Rows 1 to 11 of 11"), "{}", page.text);
    assert!(page.text.contains("<td class=\"text\">=t119</td></tr>"));
    assert!(!page.text.contains(">119</td>"), "the column was not wanted");
    assert!(page.text.contains("aria-sort=\"none\""));
    let rows = rita.get(&format!("{flow}/rows?name={ROWS}&format=csv")).await;
    assert!(rows.text.starts_with("N,T\r\n0,'=t0\r\n"), "{}", rows.text);
    let odd = rita.get(&format!("{flow}/rows?name={ROWS}&format=exe")).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
}
