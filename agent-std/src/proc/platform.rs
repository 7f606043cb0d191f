//! What the machine and its operating system are called.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use super::{decimal, fields, read_bounded, read_line_bounded};
use crate::limits::{SMALL_FILE_LEN_MAX, TABLE_LINE_LEN_MAX};

/// Distribution, as `/etc/os-release` and its older relatives tell it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Distribution {
    /// Its id, such as `debian`; empty if unknown.
    pub id: String,
    /// What it descends from, such as `debian` for Ubuntu; the own id if it says nothing.
    pub family: String,
    /// Version, such as `12.11`.
    pub version: String,
}

impl Distribution {
    /// Reads what this machine says.
    #[must_use]
    pub fn read() -> Self {
        let text = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| read_bounded(Path::new(path), SMALL_FILE_LEN_MAX).ok())
            .unwrap_or_default();
        let mut found = Self::parse(&String::from_utf8_lossy(&text));
        // Debian's os-release leaves out the point release.
        if found.id == "debian"
            && let Some(version) = first_line("/etc/debian_version")
        {
            found.version = version;
        }
        found
    }

    /// Parses os-release(5).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
        };
        let id = value("ID").unwrap_or_default();
        let like = value("ID_LIKE").unwrap_or_default();
        let family = like.split_whitespace().next().map_or_else(|| id.clone(), str::to_owned);
        Self { id, family, version: value("VERSION_ID").unwrap_or_default() }
    }
}

/// Memory of the machine, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// Unused.
    pub free: u64,
    /// Shared between processes.
    pub shared: u64,
    /// All swap space.
    pub swap_total: u64,
    /// Unused swap space.
    pub swap_free: u64,
}

impl Memory {
    /// Reads `/proc/meminfo`.
    #[must_use]
    pub fn read() -> Self {
        Self::parse(
            &read_bounded(Path::new("/proc/meminfo"), SMALL_FILE_LEN_MAX).unwrap_or_default(),
        )
    }

    /// Parses the table; what is absent is 0.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let value = |key: &[u8]| {
            text.split(|byte| *byte == b'\n')
                .find_map(|line| line.strip_prefix(key))
                .and_then(|rest| fields(rest).next().and_then(decimal::<u64>))
                .unwrap_or(0)
                .saturating_mul(1024)
        };
        Self {
            total: value(b"MemTotal:"),
            free: value(b"MemFree:"),
            shared: value(b"Shmem:"),
            swap_total: value(b"SwapTotal:"),
            swap_free: value(b"SwapFree:"),
        }
    }
}

/// Seconds since boot.
#[must_use]
pub fn uptime() -> u64 {
    first_line("/proc/uptime").and_then(|line| line.split('.').next()?.parse().ok()).unwrap_or(0)
}

/// The time of boot, in seconds since 1970; 0 if the kernel does not say.
#[must_use]
pub fn boot_time() -> u64 {
    // The line stands behind one that grows with the number of interrupts, so no small bite would do.
    let Ok(file) = File::open("/proc/stat") else { return 0 };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while matches!(read_line_bounded(&mut reader, &mut line, TABLE_LINE_LEN_MAX), Ok(true)) {
        if let Some(rest) = line.strip_prefix(b"btime ") {
            return fields(rest).next().and_then(decimal).unwrap_or(0);
        }
    }
    0
}

/// An id that lasts as long as the machine, or at least as long as its installation.
#[must_use]
pub fn host_id() -> String {
    let product = first_line("/sys/class/dmi/id/product_uuid").map(|id| id.to_lowercase());
    let machine =
        || first_line("/etc/machine-id").filter(|id| id.len() == 32).map(|id| dashed(&id));
    let boot = || first_line("/proc/sys/kernel/random/boot_id");
    product.or_else(machine).or_else(boot).unwrap_or_default()
}

/// The name of the machine in full: its canonical name in `/etc/hosts`, else `hostname` itself.
#[must_use]
pub fn full_name(hostname: &str) -> String {
    let hosts = read_bounded(Path::new("/etc/hosts"), SMALL_FILE_LEN_MAX).unwrap_or_default();
    canonical_name(&String::from_utf8_lossy(&hosts), hostname).unwrap_or(hostname).to_owned()
}

fn canonical_name<'a>(hosts: &'a str, hostname: &str) -> Option<&'a str> {
    hosts.lines().find_map(|line| {
        let mut names = line.split('#').next()?.split_whitespace().skip(1);
        let first = names.next()?;
        (first == hostname || names.any(|name| name == hostname)).then_some(first)
    })
}

/// The system that this one runs in or on, and its role there (`guest`, `host` or empty).
#[must_use]
pub fn virtualization() -> (&'static str, &'static str) {
    if Path::new("/.dockerenv").exists() {
        return ("docker", "guest");
    }
    if Path::new("/run/.containerenv").exists() {
        return ("podman", "guest");
    }
    let vendor = first_line("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    let system = match vendor.as_str() {
        "QEMU" | "Amazon EC2" | "Google" | "DigitalOcean" => "kvm",
        "VMware, Inc." => "vmware",
        "innotek GmbH" => "vbox",
        "Microsoft Corporation" => "hyperv",
        "Xen" => "xen",
        _ => "",
    };
    if !system.is_empty() {
        return (system, "guest");
    }
    if Path::new("/sys/module/kvm_amd").exists() || Path::new("/sys/module/kvm_intel").exists() {
        return ("kvm", "host");
    }
    ("", "")
}

/// The processor family under the names that Go uses, which servers and artifacts expect.
#[must_use]
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "mips" if cfg!(target_endian = "little") => "mipsle",
        other => other,
    }
}

/// Name and offset (seconds east of Greenwich) of the local time zone at `unix_seconds`.
#[must_use]
pub fn time_zone(unix_seconds: i64) -> (String, i32) {
    let local = tz::TimeZone::local().unwrap_or_else(|_| tz::TimeZone::utc());
    local.find_local_time_type(unix_seconds).map_or_else(
        |_| ("UTC".to_owned(), 0),
        |kind| (kind.time_zone_designation().to_owned(), kind.ut_offset()),
    )
}

/// Resolves a link such as `/proc/self/cwd`; empty if that fails.
#[must_use]
pub fn link_target(path: &str) -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    fs::read_link(path).map(|target| target.into_os_string().into_vec()).unwrap_or_default()
}

fn first_line(path: &str) -> Option<String> {
    let bytes = read_bounded(Path::new(path), SMALL_FILE_LEN_MAX).ok()?;
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let text = String::from_utf8_lossy(line).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn dashed(id: &str) -> String {
    let part = |from: usize, to: usize| id.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_values_may_be_quoted() {
        let text = "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n";
        let found = Distribution::parse(text);
        assert_eq!(
            (found.id.as_str(), found.family.as_str(), found.version.as_str()),
            ("ubuntu", "debian", "24.04")
        );
        assert_eq!(Distribution::parse("ID='alpine'\n").family, "alpine");
    }

    #[test]
    fn memory_is_told_in_bytes() {
        let memory = Memory::parse(b"MemTotal:  16 kB\nMemFree: 4 kB\nSwapTotal: 0 kB\n");
        assert_eq!((memory.total, memory.free, memory.swap_free), (16384, 4096, 0));
    }

    #[test]
    fn a_machine_id_gets_the_dashes_of_a_uuid() {
        assert_eq!(
            dashed("0123456789abcdef0123456789abcdef"),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
    }

    #[test]
    fn the_first_name_of_a_host_line_is_the_full_one() {
        let hosts = "127.0.0.1 localhost\n10.0.0.7 db.example.org db # the db\n";
        assert_eq!(canonical_name(hosts, "db"), Some("db.example.org"));
        assert_eq!(canonical_name(hosts, "the"), None);
    }

    #[test]
    fn this_machine_has_memory_and_was_booted() {
        assert!(Memory::read().total > 0);
        assert!(boot_time() > 1_000_000_000);
        assert!(uptime() > 0);
        assert!(!host_id().is_empty());
    }
}
