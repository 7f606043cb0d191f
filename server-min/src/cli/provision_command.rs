//! `troodon provision`: a client configuration as bytes for a board's flash.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use troodon_core::identity::ClientId;
use troodon_core::provision::Provision;
use troodon_core::rsa::PrivateKey;
use troodon_core::rsa::aws::AwsKey;

use crate::config::{Config, Secret, write_private};

use super::Invocation;

/// Longest host name (RFC 1123 section 2.1 asks for at least 63 and suggests 255).
const NAME_LEN_MAX: usize = 63;
/// A private key in PEM; see the core's own limit.
const KEY_LEN_MAX: u64 = 8 * 1024;

#[derive(Debug, Args)]
#[command(
    after_help = "The blob tells a board where its server is and which authority it trusts. Without --generate-key or \
    --key the board makes its own key at its first boot: the best choice where it has a source of random numbers and a \
    minute of time, because no copy of the key exists.\n\n\
    Example, for the emulated board:\n  \
    troodon --config server.config.yaml provision --board qemu-mps2-an386 --name pump-7 pump-7.flash\n  \
    qemu-system-arm -M mps2-an386,memory-backend=flash -object \\\n    \
    memory-backend-file,id=flash,size=16M,mem-path=pump-7.flash,share=on ... -kernel FIRMWARE\n\n\
    The file is as secret as the client configuration, and more so with a key in it. A board trusts who can write its flash."
)]
pub(super) struct ProvisionOptions {
    /// The client configuration; unless given, that of the deployment after --config
    #[arg(long = "client_config", alias = "client-config", value_name = "FILE")]
    client_config: Option<PathBuf>,
    /// Which board it is for
    #[arg(long, value_enum)]
    board: Board,
    /// The host name of the board; its model unless given
    #[arg(long)]
    name: Option<String>,
    /// Make the board's key here and put it into the blob
    #[arg(long = "generate-key", alias = "generate_key", conflicts_with = "key")]
    generate_key: bool,
    /// Put this key into the blob: RSA, PKCS#1 PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where to write the blob; readable by its owner only
    #[arg(value_name = "OUT")]
    output: PathBuf,
}

/// A board, and where its firmware looks for the blob.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "kebab-case")]
enum Board {
    /// ST's NUCLEO-H743ZI: the file is for address 0x08100000
    NucleoH743zi,
    /// QEMU's mps2-an386: the file becomes the emulated flash
    QemuMps2An386,
    /// QEMU's RISC-V machine virt: the second half of the file becomes the emulated flash
    QemuRiscv32Virt,
    /// WIZnet's W5500-EVB-Pico2: the file is for address 0x10100000
    W5500EvbPico2,
}

impl Board {
    const fn name(self) -> &'static str {
        match self {
            Self::NucleoH743zi => "nucleo-h743zi",
            Self::W5500EvbPico2 => "w5500-evb-pico2",
            Self::QemuMps2An386 => "qemu-mps2-an386",
            Self::QemuRiscv32Virt => "qemu-riscv32-virt",
        }
    }

    /// Bytes of the image. What is behind the blob is erased flash: where an emulated board keeps its queue and its state, and
    /// where a real one keeps nothing.
    const fn image_len(self) -> usize {
        match self {
            Self::NucleoH743zi | Self::W5500EvbPico2 => 16 * 1024,
            Self::QemuMps2An386 | Self::QemuRiscv32Virt => 16 * 1024 * 1024,
        }
    }

    /// Where in the image the blob begins.
    const fn begin(self) -> usize {
        match self {
            Self::NucleoH743zi | Self::W5500EvbPico2 | Self::QemuMps2An386 => 0,
            Self::QemuRiscv32Virt => 8 * 1024 * 1024,
        }
    }
}

pub(super) fn run(invocation: &Invocation, options: &ProvisionOptions) -> Result<()> {
    let config = match &options.client_config {
        Some(path) => Config::load(path)?,
        None => invocation.load().context(
            "provision needs a client configuration: put `--config FILE` before it, or `--client_config FILE` after it",
        )?,
    };
    let name = options.name.as_deref().unwrap_or(options.board.name());
    check_name(name)?;
    let mut provision = Provision::of(&config.client, name, now()?);
    // What a board would refuse at boot is refused here, where somebody reads it.
    provision.agent_config()?;
    let key = key(options)?;
    let mut said = format!("Wrote {} for the board {name}", options.output.display());
    if let Some(key) = key {
        let pem = key.to_pkcs1_pem()?;
        provision.private_key = Secret::new(pem.to_string());
        // Writing to a string cannot fail.
        let _written = write!(said, ", which is {}", ClientId::of(key.public()));
    }
    // Never moved while it grows, so that no copy of a key is left behind.
    let mut image = zeroize::Zeroizing::new(Vec::with_capacity(options.board.image_len()));
    image.resize(options.board.begin(), 0xff);
    image.extend_from_slice(&provision.emit()?);
    if image.len() > options.board.image_len() {
        bail!("the provisioning has {} bytes, more than the board has for it", image.len());
    }
    image.resize(options.board.image_len(), 0xff);
    write_private(&options.output, &image)?;
    eprintln!("{said}.");
    Ok(())
}

fn key(options: &ProvisionOptions) -> Result<Option<AwsKey>> {
    if options.generate_key {
        return Ok(Some(AwsKey::generate()?));
    }
    let Some(path) = &options.key else { return Ok(None) };
    let shown = path.display();
    let length = std::fs::metadata(path).with_context(|| shown.to_string())?.len();
    if length > KEY_LEN_MAX {
        bail!("{shown}: {length} bytes are too many for a private key");
    }
    let pem = zeroize::Zeroizing::new(std::fs::read(path).with_context(|| shown.to_string())?);
    let key = AwsKey::from_pkcs1_pem(&pem);
    Ok(Some(key.with_context(|| format!("{shown}: not an RSA private key in PKCS#1 PEM"))?))
}

/// A host name is shown in lists and typed in queries.
fn check_name(name: &str) -> Result<()> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    if name.is_empty() || name.len() > NAME_LEN_MAX || !name.chars().all(is_plain) {
        bail!("--name {name:?}: use 1 to {NAME_LEN_MAX} letters, digits, `-` and `.`");
    }
    Ok(())
}

fn now() -> Result<u64> {
    Ok(SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?
        .as_secs())
}
