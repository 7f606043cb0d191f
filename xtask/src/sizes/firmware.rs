//! What the query language costs on a microcontroller: flash for each feature, heap for a query.
//!
//! Flash is the sum of the sections that are stored in the image of `boards/vql-size`. The heap is measured by the
//! image itself, which runs under QEMU.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, SectionFlags, SectionKind, elf};

use super::Figures;
use crate::step;

/// Lexer, parser, evaluator and board plugins in flash, in bytes: what they add to an image that starts, has a heap and
/// copies memory.
const FLASH_MAX: u64 = 128 * 1024;
/// The heap of a query with ten columns over a thousand rows, in bytes; what is registered included.
const HEAP_MAX: u64 = 16 * 1024;

/// Each feature holds those before it; the last is the board profile.
const FEATURES: [(&str, &str); 4] = [
    ("", "flash: start-up, heap, copying"),
    ("syntax", "flash: + parser and printer"),
    ("engine", "flash: + evaluator, patterns, core"),
    ("board", "flash: + board plugins"),
];

/// Builds the images and adds what they take.
pub(super) fn measure(figures: &mut Figures) -> Result<()> {
    let (mut before, mut bare) = (0, None);
    for (feature, what) in FEATURES {
        let flash = flash(&build(feature)?)?;
        figures.add(what, flash.saturating_sub(before), "B", None);
        before = flash;
        bare.get_or_insert(flash);
    }
    let language = before.saturating_sub(bare.unwrap_or(0));
    figures.add("flash of the board profile", language, "B", Some(FLASH_MAX));
    figures.add("flash of that image", before, "B", None);
    let all = flash(&build("files")?)?;
    figures.add("flash: + the whole standard library", all.saturating_sub(before), "B", None);
    let image = build("run")?;
    figures.add("heap of ten columns, 1,000 rows", heap(&image)?, "B", Some(HEAP_MAX));
    Ok(())
}

fn build(feature: &str) -> Result<PathBuf> {
    let folder = step::root().join("boards/vql-size");
    let mut cargo =
        step::cargo(["build", "--quiet", "--release", "--locked", "--features", feature]);
    // The folder has the target and the linker script in its configuration.
    cargo.current_dir(&folder);
    step::run(&format!("build vql-size with {feature:?}"), &mut cargo)?;
    let image = folder.join("target/thumbv7em-none-eabihf/release/vql-size");
    let kept = image.with_file_name(format!("vql-size-{feature}"));
    fs::copy(&image, &kept).with_context(|| format!("{}", image.display()))?;
    Ok(kept)
}

fn flash(image: &PathBuf) -> Result<u64> {
    let bytes = fs::read(image)?;
    Ok(stored(&object::File::parse(&*bytes)?))
}

/// Bytes of the sections of an image that are loaded and stored.
pub(super) fn stored(file: &object::File<'_>) -> u64 {
    let is_stored = |section: &object::Section<'_, '_>| {
        let SectionFlags::Elf { sh_flags } = section.flags() else { return false };
        let is_loaded = sh_flags & u64::from(elf::SHF_ALLOC) != 0;
        is_loaded && section.kind() != SectionKind::UninitializedData
    };
    file.sections().filter(is_stored).map(|section| section.size()).sum()
}

/// Runs the image and takes the figure from the line `rows 1000 … most BYTES …`.
fn heap(image: &PathBuf) -> Result<u64> {
    let machine = "-M mps2-an386 -nographic -monitor none -serial none \
                   -semihosting-config enable=on,target=native -kernel";
    let mut qemu = Command::new("qemu-system-arm");
    let output = qemu
        .args(machine.split_whitespace())
        .arg(image)
        .output()
        .context("qemu-system-arm is needed; sudo apt-get install qemu-system-arm")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the firmware failed ({}): {text}", output.status);
    ensure!(text.starts_with("rows 1000 "), "the query failed: {text}");
    let mut words = text.split_whitespace().skip_while(|word| *word != "most").skip(1);
    words.next().context("no figure")?.parse().with_context(|| text.into_owned())
}
