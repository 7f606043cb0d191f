//! Packages for Debian and its kin: static programs, units that hold them to what they need, manual pages, completions.
//!
//! Built with what every Debian has. The same sources give the same packages: all times are those of the last commit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{build, setup, step};

/// Debian's name for the machines of [`setup::MUSL_TARGET`].
const ARCHITECTURE: &str = "amd64";
/// Where Debian's shells look for completions of a program.
const SHELLS: [(&str, &str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/", ""),
    ("zsh", "usr/share/zsh/vendor-completions/_", ""),
    ("fish", "usr/share/fish/vendor_completions.d/", ".fish"),
];

/// The units, and how much `systemd-analyze security` may find open, in tenths: an agent's purpose is to read all.
const UNITS: [(&str, &str); 2] = [
    ("server-min/systemd/troodon-server.service", "20"),
    ("agent-std/systemd/troodon-agent.service", "30"),
];

/// Fails when a unit leaves its program more than it needs.
pub fn check_units() -> Result<()> {
    for (unit, threshold) in UNITS {
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager", "--threshold", threshold]);
        output(analyze.arg(step::root().join(unit))).context("a unit is too open")?;
    }
    Ok(())
}

/// What is in a package beside what all have.
struct Contents {
    /// The folder of its description and scripts.
    folder: &'static str,
    /// The name in Debian.
    name: &'static str,
    program: PathBuf,
    /// Files of the project, and their places.
    files: &'static [(&'static str, &'static str)],
}

/// Builds both packages and prints where they are.
pub fn run() -> Result<()> {
    setup::install()?;
    check_units()?;
    let target = step::root().join("target/package");
    let all = [
        Contents {
            folder: "server",
            name: "troodon-server",
            program: build::server()?,
            files: &[
                (
                    "server-min/systemd/troodon-server.service",
                    "usr/lib/systemd/system/troodon-server.service",
                ),
                ("server-min/systemd/sysusers.conf", "usr/lib/sysusers.d/troodon.conf"),
            ],
        },
        Contents {
            folder: "agent",
            name: "troodon-agent",
            program: build::fast_agent()?,
            files: &[(
                "agent-std/systemd/troodon-agent.service",
                "usr/lib/systemd/system/troodon-agent.service",
            )],
        },
    ];
    fs::create_dir_all(&target)?;
    for contents in &all {
        let package = make(contents, &target)?;
        println!("{}", package.display());
    }
    Ok(())
}

fn make(contents: &Contents, target: &Path) -> Result<PathBuf> {
    let stage = tempfile::tempdir()?;
    let program = contents.program.file_name().context("a program has a name")?;
    let program = program.to_str().context("the name of a program is text")?;
    fs::copy(&contents.program, target.join(program))?;
    put(&contents.program, &stage.path().join("usr/bin").join(program))?;
    for (from, to) in contents.files {
        put(&step::root().join(from), &stage.path().join(to))?;
    }
    add_manual(&contents.program, stage.path())?;
    add_completions(&contents.program, program, stage.path())?;
    let documents = stage.path().join("usr/share/doc").join(contents.name);
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        put(&step::root().join(licence), &documents.join(licence))?;
    }
    let scripts = step::root().join("package").join(contents.folder);
    for script in ["postinst", "prerm", "postrm"] {
        put(&scripts.join(script), &stage.path().join("DEBIAN").join(script))?;
    }
    let control = fs::read_to_string(scripts.join("control"))?;
    fs::write(stage.path().join("DEBIAN/control"), filled(&control, stage.path())?)?;
    // Everybody may read what is in a package, whatever the mask of whoever builds it.
    output(Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(stage.path()))?;
    archive(contents.name, stage.path(), target)
}

/// The description with what is known when it is built.
fn filled(control: &str, stage: &Path) -> Result<String> {
    let kib = size(stage)?.div_ceil(1024);
    let version = env!("CARGO_PKG_VERSION");
    let known = format!(
        "Version: {version}\nArchitecture: {ARCHITECTURE}\nInstalled-Size: {kib}\n\
         Maintainer: The authors of Troodon <troodon@localhost>\n"
    );
    let (name, rest) = control.split_once('\n').context("a description of several lines")?;
    Ok(format!("{name}\n{known}{rest}"))
}

fn size(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        total += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(total)
}

fn add_manual(program: &Path, stage: &Path) -> Result<()> {
    let folder = stage.join("usr/share/man/man1");
    fs::create_dir_all(&folder)?;
    output(Command::new(program).arg("manual").arg(&folder))?;
    for page in fs::read_dir(&folder)? {
        // Without name and time, so that the same page gives the same bytes.
        output(Command::new("gzip").arg("-9n").arg(page?.path()))?;
    }
    Ok(())
}

fn add_completions(program: &Path, name: &str, stage: &Path) -> Result<()> {
    for (shell, place, ending) in SHELLS {
        let file = stage.join(format!("{place}{name}{ending}"));
        fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
        fs::write(file, output(Command::new(program).args(["completions", shell]))?)?;
    }
    Ok(())
}

fn archive(name: &str, stage: &Path, target: &Path) -> Result<PathBuf> {
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"]).current_dir(step::root());
    let time = String::from_utf8(output(&mut git)?)?;
    let file = target.join(format!("{name}_{}_{ARCHITECTURE}.deb", env!("CARGO_PKG_VERSION")));
    let mut archive = Command::new("dpkg-deb");
    archive.args(["--root-owner-group", "-Zxz", "--build"]).arg(stage).arg(&file);
    archive.env("SOURCE_DATE_EPOCH", time.trim());
    output(&mut archive)?;
    Ok(file)
}

fn put(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let done = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let told = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{command:?}: {}\n{told}", done.status);
    Ok(done.stdout)
}
