//! Artifacts that call artifacts which came with the request.

use troodon_proto::{
    Artifact, ArtifactParameter, ArtifactSource, VqlCollectorArgs, velo_status::Status,
};

use crate::bench::{Bench, args, env, request};

#[test]
fn a_called_artifact_runs_with_its_defaults_and_names_itself() {
    let mut bench = run("SELECT * FROM Artifact.Test.Inner()", vec![inner()]);
    assert_eq!(rows(&mut bench), ["{\"Word\":\"hay\",\"Next\":8,\"_Source\":\"Test.Inner\"}"]);
}

#[test]
fn arguments_replace_defaults_and_are_converted_by_their_type() {
    let vql = "SELECT Word, Next FROM Artifact.Test.Inner(Word='x', Number='41')";
    let mut bench = run(vql, vec![inner()]);
    assert_eq!(rows(&mut bench), ["{\"Word\":\"x\",\"Next\":42}"]);
}

#[test]
fn a_query_as_an_argument_arrives_as_its_rows() {
    let vql = "SELECT Word FROM Artifact.Test.Inner(Word={ SELECT N FROM count_to(n=Outer) })";
    let mut batch = batch(vql, vec![inner()]);
    batch.query.insert(0, args(&[("", "LET Outer = 2")]).query.remove(0));
    let mut bench = Bench::new();
    bench.ask("F.1", request(vec![batch]));
    assert_eq!(rows(&mut bench), ["{\"Word\":[{\"N\":1},{\"N\":2}]}"]);
}

#[test]
fn a_called_artifact_does_not_see_the_variables_of_its_caller() {
    let probe = artifact("Test.Probe", &["SELECT Secret, config.Version.Name AS V FROM scope()"]);
    let mut batch = batch("SELECT Secret, V FROM Artifact.Test.Probe()", vec![probe]);
    batch.env = vec![env("Secret", "s")];
    let mut bench = Bench::new();
    bench.ask("F.1", request(vec![batch]));
    assert_eq!(rows(&mut bench), ["{\"Secret\":null,\"V\":\"troodon\"}"]);
}

#[test]
fn an_artifact_calls_another_and_uses_what_it_imports() {
    let mut library = artifact("Test.Library", &[]);
    library.export = "LET Twice(x) = x + x".into();
    let mut outer =
        artifact("Test.Outer", &["SELECT Twice(x=Next) AS T FROM Artifact.Test.Inner()"]);
    outer.imports = vec!["Test.Library".into()];
    let mut bench = run("SELECT T FROM Artifact.Test.Outer()", vec![outer, library, inner()]);
    assert_eq!(rows(&mut bench), ["{\"T\":16}"]);
}

#[test]
fn one_source_can_be_chosen() {
    let mut both = artifact("Test.Both", &["SELECT 1 AS X FROM scope()"]);
    both.sources[0].name = "A".into();
    both.sources.push(ArtifactSource {
        name: "B".into(),
        queries: vec!["LET Y = 2".into(), "SELECT Y AS X FROM scope()".into()],
        ..ArtifactSource::default()
    });
    let mut all = run("SELECT * FROM Artifact.Test.Both()", vec![both.clone()]);
    assert_eq!(
        rows(&mut all),
        ["{\"X\":1,\"_Source\":\"Test.Both/A\"}", "{\"X\":2,\"_Source\":\"Test.Both/B\"}"]
    );
    let mut one = run("SELECT X FROM Artifact.Test.Both(source='B')", vec![both]);
    assert_eq!(rows(&mut one), ["{\"X\":2}"]);
}

#[test]
fn preconditions_count_only_when_asked_for() {
    let mut never = artifact("Test.Never", &["LET X = 1", "SELECT X FROM scope()"]);
    never.sources[0].precondition = "SELECT * FROM info() WHERE OS = 'windows'".into();
    let mut plain = run("SELECT X FROM Artifact.Test.Never()", vec![never.clone()]);
    assert_eq!(rows(&mut plain), ["{\"X\":1}"]);
    let vql = "SELECT X FROM Artifact.Test.Never(preconditions=TRUE)";
    let mut asked = run(vql, vec![never]);
    assert_eq!(rows(&mut asked), Vec::<String>::new());
}

#[test]
fn mistakes_in_a_call_mark_the_flow() {
    for (vql, what) in [
        ("SELECT * FROM Artifact.No.Such()", "No.Such"),
        ("SELECT * FROM Artifact.Test.Inner(Wort='x')", "Unknown parameter Wort"),
        ("SELECT * FROM Artifact.Test.Broken()", "does not parse"),
        ("SELECT * FROM Artifact.Test.Loop()", "Stack overflow"),
    ] {
        let broken = artifact("Test.Broken", &["SELECT FROM"]);
        let endless = artifact("Test.Loop", &["SELECT * FROM Artifact.Test.Loop()"]);
        let mut bench = run(vql, vec![inner(), broken, endless]);
        assert_eq!(rows(&mut bench), Vec::<String>::new());
        let end = bench.notes.end("F.1");
        assert_eq!(end[0].status(), Status::GenericError, "{vql}");
        assert!(end[0].error_message.contains(what), "{}", end[0].error_message);
    }
}

#[test]
fn a_called_event_artifact_waits_like_a_plugin() {
    let ticks = artifact("Test.Ticks", &["SELECT * FROM tick()"]);
    let mut bench = Bench::new();
    let mut batch = batch("SELECT Tick FROM Artifact.Test.Ticks()", vec![ticks]);
    batch.timeout = 3;
    bench.ask("F.1", request(vec![batch]));
    bench.pass_seconds(5);
    assert_eq!(bench.notes.rows("F.1").len(), 3);
}

fn run(vql: &str, artifacts: Vec<Artifact>) -> Bench {
    let mut bench = Bench::new();
    bench.ask("F.1", request(vec![batch(vql, artifacts)]));
    bench
}

fn rows(bench: &mut Bench) -> Vec<String> {
    bench.settle();
    bench.notes.rows("F.1")
}

fn batch(vql: &str, artifacts: Vec<Artifact>) -> VqlCollectorArgs {
    VqlCollectorArgs { artifacts, ..args(&[("$a", vql)]) }
}

fn inner() -> Artifact {
    let parameter = |name: &str, default: &str, of: &str| ArtifactParameter {
        name: name.into(),
        default: default.into(),
        r#type: of.into(),
    };
    Artifact {
        parameters: vec![parameter("Word", "hay", ""), parameter("Number", "7", "int")],
        ..artifact("Test.Inner", &["SELECT Word, Number + 1 AS Next FROM scope()"])
    }
}

fn artifact(name: &str, queries: &[&str]) -> Artifact {
    let queries = queries.iter().map(ToString::to_string).collect();
    let source = ArtifactSource { queries, ..ArtifactSource::default() };
    Artifact { name: name.into(), sources: vec![source], ..Artifact::default() }
}
