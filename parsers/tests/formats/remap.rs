//! Other files under the names of a query, through `remap()`.

use std::sync::{Arc, Mutex};

use troodon_vql::{
    Access, Accessor, Context, DangerAllowAll, Denied, Entries, Fault, FileInfo, FileKind,
    Permission, Reader, Text, standard,
};

use crate::asking::{ask, registry};

/// Files and links (`-> target`) by their paths; what stands between is a directory.
struct Tree(&'static [(&'static str, &'static str)]);

impl Tree {
    fn info(&self, path: &Text) -> Result<FileInfo, Fault> {
        let text = path.to_str_lossy().into_owned();
        let text = text.trim_end_matches('/');
        let name = Text::from(text.rsplit('/').next().unwrap());
        let info = FileInfo { name, path: path.clone(), ..FileInfo::default() };
        match self.0.iter().find(|(path, _)| *path == text) {
            Some((_, content)) => Ok(match content.strip_prefix("-> ") {
                Some(target) => {
                    FileInfo { kind: FileKind::Link, link: Some(Text::from(target)), ..info }
                }
                None => FileInfo { size: content.len() as u64, ..info },
            }),
            None if self.0.iter().any(|(path, _)| path.starts_with(&format!("{text}/"))) => {
                Ok(FileInfo { kind: FileKind::Directory, ..info })
            }
            None => Err(Fault::note(format!("{path}: nothing there"))),
        }
    }
}

impl Accessor for Tree {
    fn open(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Reader>, Fault> {
        let info = self.info(path)?;
        assert_eq!(info.kind, FileKind::Regular, "{path} is opened");
        let (_, content) = self.0.iter().find(|(one, _)| path == one).unwrap();
        standard::DataAccessor.open(cx, &Text::from(*content))
    }

    fn stat(&self, _: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        self.info(path)
    }

    fn read_dir(&self, _: &mut Context, path: &Text) -> Result<Box<dyn Entries>, Fault> {
        let text = path.to_str_lossy().trim_end_matches('/').to_owned();
        let mut names: Vec<&str> = Vec::new();
        for (path, _) in self.0 {
            if let Some(rest) = path.strip_prefix(&format!("{text}/")) {
                names.push(rest.split('/').next().unwrap());
            }
        }
        names.dedup();
        let infos: Vec<_> =
            names.iter().map(|name| self.info(&Text::from(format!("{text}/{name}")))).collect();
        Ok(Box::new(infos.into_iter()))
    }
}

const FILES: &[(&str, &str)] = &[
    ("/etc/passwd", "examiner"),
    ("/img/etc/alias", "-> ../etc/passwd"),
    ("/img/etc/loop", "-> loop"),
    ("/img/etc/out", "-> ../../../../etc/passwd"),
    ("/img/etc/passwd", "examined"),
    ("/img/link", "-> /etc"),
    ("/other/data", "other"),
];

fn rows_for(access: Arc<dyn Access>, vql: &str) -> (Vec<String>, Vec<String>) {
    let mut registry = registry();
    for name in ["auto", "file"] {
        registry.add_accessor(name, &[Permission::FilesystemRead], Arc::new(Tree(FILES)));
    }
    ask(registry, vql, |setup| setup.access = access, |_| {})
}

/// Rows with the root of the image on `auto`.
fn rows(vql: &str) -> (Vec<String>, Vec<String>) {
    rows_for(Arc::new(DangerAllowAll), &format!("{MOUNT} {vql}"))
}

const MOUNT: &str = "LET M <= remap(config='''
remappings:
- type: mount
  from: {accessor: auto, prefix: /img}
  on: {accessor: auto, prefix: /}
''')";

fn read(path: &str) -> String {
    let vql = format!("SELECT read_file(filename='{path}') AS A FROM scope()");
    rows(&vql).0.remove(0)
}

#[test]
fn the_names_of_a_query_lead_into_what_is_mounted() {
    assert_eq!(read("/etc/passwd"), r#"{"A":"examined"}"#);
    assert_eq!(read("/img/etc/passwd"), r#"{"A":null}"#);
    let vql = "SELECT read_file(filename='/etc/passwd', accessor='file') AS A FROM scope()";
    assert_eq!(rows(vql).0, [r#"{"A":"examiner"}"#]);
    let (found, log) = rows("SELECT OSPath FROM glob(globs='/e*/p*')");
    assert_eq!(found, [r#"{"OSPath":"/etc/passwd"}"#], "{log:?}");
}

#[test]
fn links_never_lead_out_of_what_is_mounted() {
    for path in ["/etc/alias", "/etc/out", "/link/passwd", "/etc/../../etc/passwd"] {
        assert_eq!(read(path), r#"{"A":"examined"}"#, "{path}");
    }
    let (rows, log) = rows("SELECT read_file(filename='/etc/loop') AS A FROM scope()");
    assert_eq!(rows, [r#"{"A":null}"#]);
    assert_eq!(log, ["read_file: /etc/loop: more than 40 links"]);
}

#[test]
fn the_deepest_mount_counts_and_all_can_be_forgotten() {
    let more = "LET N <= remap(config=dict(remappings=[dict(type='mount',
        `from`=dict(accessor='file', prefix='/other'), `on`=dict(accessor='auto', prefix='/etc/x')), ]))";
    let read = "SELECT read_file(filename='/etc/x/data') AS X,
        read_file(filename='/etc/passwd') AS A FROM scope()";
    assert_eq!(rows(&format!("{more} {read}")).0, [r#"{"X":"other","A":"examined"}"#]);
    let clear = "LET C <= remap(clear=TRUE)";
    assert_eq!(rows(&format!("{more} {clear} {read}")).0, [r#"{"X":null,"A":"examiner"}"#]);
}

#[test]
fn what_is_mounted_needs_the_permission_of_where_it_comes_from() {
    struct Changing(Mutex<u32>);
    impl Access for Changing {
        fn check(&self, _: &str, needed: &[Permission]) -> Result<(), Denied> {
            let mut uses = self.0.lock().unwrap();
            *uses += u32::from(!needed.is_empty());
            // Allowed once, when it is mounted, and not when it is read.
            if needed.is_empty() || *uses == 1 { Ok(()) } else { Err(Denied::by_policy(needed)) }
        }
    }
    let vql = format!(
        "{} SELECT read_file(filename='/etc/passwd', accessor='data') AS A FROM scope()",
        MOUNT.replace("on: {accessor: auto", "on: {accessor: data")
    );
    assert_eq!(rows_for(Arc::new(DangerAllowAll), &vql).0, [r#"{"A":"examined"}"#]);
    let (rows, log) = rows_for(Arc::new(Changing(Mutex::new(0))), &vql);
    assert_eq!(rows, [r#"{"A":null}"#]);
    assert!(log[0].contains("PermissionDenied"), "{log:?}");
    // Refused at once, nothing is mounted.
    let (rows, log) = rows_for(Arc::new(Changing(Mutex::new(1))), &vql);
    assert_eq!(rows, [r#"{"A":"/etc/passwd"}"#]);
    assert!(log[0].contains("PermissionDenied"), "{log:?}");
}

#[test]
fn mistakes_are_told() {
    let told = |config: &str| {
        let vql = format!("SELECT remap(config='{config}') AS A FROM scope()");
        rows_for(Arc::new(DangerAllowAll), &vql).1.join("\n")
    };
    for (config, text) in [
        ("remappings: [1]", "not a dict"),
        ("remappings: [{type: mount}]", "lacks `from`"),
        (
            "remappings: [{type: mount, from: {accessor: no}, on: {accessor: auto}}]",
            "Unknown filesystem accessor no",
        ),
        (
            "remappings: [{type: mount, from: {accessor: auto}, on: {accessor: no}}]",
            "there is no accessor \"no\"",
        ),
        ("remappings: [{type: impersonation, os: windows}]", "not supported"),
    ] {
        assert!(told(config).contains(text), "{config}: {}", told(config));
    }
    assert!(!told("[").is_empty());
}
