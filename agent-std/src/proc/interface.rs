//! Network interfaces, by getifaddrs(3), `/sys/class/net` and `/proc/net/igmp*`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

use super::{decimal, fields, read_bounded, read_line_bounded};
use crate::limits::{SMALL_FILE_LEN_MAX, TABLE_LINE_LEN_MAX};

/// One interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Index in the kernel's table.
    pub index: u64,
    /// Longest packet, in bytes.
    pub mtu: u64,
    /// Link-layer address; empty if it has none.
    pub hardware: Vec<u8>,
    /// Flags of the kernel.
    pub flags: InterfaceFlags,
    /// Addresses with the lengths of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Groups that it listens to.
    pub groups: Vec<IpAddr>,
}

impl Interface {
    /// The flags in the words of the `interfaces()` plugin, separated by `|`.
    #[must_use]
    pub fn flag_names(&self) -> String {
        let names = [
            (InterfaceFlags::IFF_UP, "up"),
            (InterfaceFlags::IFF_BROADCAST, "broadcast"),
            (InterfaceFlags::IFF_LOOPBACK, "loopback"),
            (InterfaceFlags::IFF_POINTOPOINT, "pointtopoint"),
            (InterfaceFlags::IFF_MULTICAST, "multicast"),
            (InterfaceFlags::IFF_RUNNING, "running"),
        ];
        let set: Vec<&str> = names
            .iter()
            .filter(|(flag, _)| self.flags.contains(*flag))
            .map(|(_, name)| *name)
            .collect();
        set.join("|")
    }

    /// The link-layer address as pairs of hexadecimal digits with colons.
    #[must_use]
    pub fn hardware_text(&self) -> String {
        let pairs: Vec<String> = self.hardware.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(":")
    }
}

/// All interfaces, in the order of their indices.
///
/// # Errors
///
/// When the kernel refuses the list.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let mut by_name: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in getifaddrs()? {
        let interface = by_name.entry(entry.interface_name.clone()).or_insert_with(|| Interface {
            name: entry.interface_name.clone(),
            index: system_number(&entry.interface_name, "ifindex"),
            mtu: system_number(&entry.interface_name, "mtu"),
            hardware: Vec::new(),
            flags: entry.flags,
            addresses: Vec::new(),
            groups: Vec::new(),
        });
        note_address(interface, &entry);
    }
    let groups = groups();
    let mut interfaces: Vec<Interface> = by_name.into_values().collect();
    for interface in &mut interfaces {
        let own = groups.iter().filter(|(name, _)| *name == interface.name);
        interface.groups.extend(own.map(|(_, group)| *group));
    }
    interfaces.sort_by_key(|interface| interface.index);
    Ok(interfaces)
}

fn note_address(interface: &mut Interface, entry: &InterfaceAddress) {
    let Some(address) = &entry.address else { return };
    if let Some(link) = address.as_link_addr() {
        let bytes = link.addr().unwrap_or_default();
        // The loopback interface shows six zeros, which are no address.
        if bytes.iter().any(|byte| *byte != 0) {
            interface.hardware = bytes.to_vec();
        }
    } else if let Some(ip) = ip(address) {
        let prefix = entry.netmask.as_ref().and_then(self::ip).map_or(0, prefix_len);
        interface.addresses.push((ip, prefix));
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = || address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
    let v6 = || address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip()));
    v4().or_else(v6)
}

fn prefix_len(mask: IpAddr) -> u8 {
    let ones = match mask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    };
    u8::try_from(ones).unwrap_or(128)
}

fn system_number(interface: &str, name: &str) -> u64 {
    let path = Path::new("/sys/class/net").join(interface).join(name);
    let text = read_bounded(&path, SMALL_FILE_LEN_MAX).unwrap_or_default();
    fields(&text).next().and_then(decimal).unwrap_or(0)
}

/// The multicast groups of all interfaces.
fn groups() -> Vec<(String, IpAddr)> {
    let mut groups = Vec::new();
    let mut device = String::new();
    each_line("/proc/net/igmp", |line| {
        if let Some(name) = igmp_device(line) {
            device = name;
        } else if let Some(group) = igmp_group(line) {
            groups.push((device.clone(), group));
        }
    });
    each_line("/proc/net/igmp6", |line| groups.extend(igmp6_group(line)));
    groups
}

fn each_line(path: &str, mut take: impl FnMut(&[u8])) {
    let Ok(file) = File::open(path) else { return };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while matches!(read_line_bounded(&mut reader, &mut line, TABLE_LINE_LEN_MAX), Ok(true)) {
        take(&line);
    }
}

/// `1<tab>lo        :     1      V3` begins the groups of a device.
fn igmp_device(line: &[u8]) -> Option<String> {
    let mut fields = fields(line.first().filter(|first| first.is_ascii_digit()).map(|_| line)?);
    let name = fields.nth(1)?;
    Some(String::from_utf8_lossy(name).trim_end_matches(':').to_owned())
}

/// `<tabs>010000E0     1 0:00000000` is a group, in the machine's byte order.
fn igmp_group(line: &[u8]) -> Option<IpAddr> {
    let digits = line.first().filter(|first| **first == b'\t').and_then(|_| fields(line).next())?;
    let word = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some(Ipv4Addr::from(word.to_ne_bytes()).into())
}

/// `1    lo   ff020000000000000000000000000001     1 0000000C 0` is a group, in network byte order.
fn igmp6_group(line: &[u8]) -> Option<(String, IpAddr)> {
    let mut fields = fields(line);
    let name = fields.nth(1)?;
    let bits = u128::from_str_radix(std::str::from_utf8(fields.next()?).ok()?, 16).ok()?;
    Some((String::from_utf8_lossy(name).into_owned(), Ipv6Addr::from_bits(bits).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_there_without_a_hardware_address() {
        let interfaces = interfaces().unwrap();
        let loopback = interfaces.iter().find(|interface| interface.name == "lo").unwrap();
        assert!(loopback.hardware.is_empty());
        assert!(loopback.flags.contains(InterfaceFlags::IFF_LOOPBACK));
        assert!(loopback.flag_names().contains("loopback"));
    }

    #[test]
    fn a_prefix_is_as_long_as_the_ones_of_the_mask() {
        assert_eq!(prefix_len(Ipv4Addr::new(255, 255, 240, 0).into()), 20);
        assert_eq!(prefix_len(Ipv6Addr::from_bits(!0 << 64).into()), 64);
    }

    #[test]
    fn groups_belong_to_the_device_line_before_them() {
        assert_eq!(igmp_device(b"4\teth0      :     1      V3").as_deref(), Some("eth0"));
        assert_eq!(igmp_device(b"Idx\tDevice    : Count Querier"), None);
        let group = igmp_group(b"\t\t\t\t010000E0     1 0:00000000\t\t0").unwrap();
        assert!(group.is_multicast() || cfg!(target_endian = "big"));
        let (name, group) =
            igmp6_group(b"1    lo              ff020000000000000000000000000001     1 0000000C 0")
                .unwrap();
        assert_eq!((name.as_str(), group.to_string().as_str()), ("lo", "ff02::1"));
    }
}
