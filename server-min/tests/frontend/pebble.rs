//! Pebble, the authority that Let's Encrypt gives to those who test, with its server of names.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::authority::own_certificate;

pub struct Pebble {
    folder: PathBuf,
    /// PEM of the certificate of its own address.
    pub root: String,
    directory: u16,
    management: u16,
    names: u16,
    names_management: u16,
}

/// Ends with this value.
pub struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Pebble {
    pub fn prepare(folder: &Path) -> Self {
        let (root, key) = own_certificate();
        std::fs::write(folder.join("pebble.pem"), &root).unwrap();
        std::fs::write(folder.join("pebble.key"), key).unwrap();
        let [directory, management, names_management] = free();
        // Names are asked for over UDP.
        let names = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = folder.to_owned();
        Self { folder, root, directory, management, names, names_management }
    }

    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.directory)
    }

    /// Writes records into its server of names.
    pub fn hook(&self) -> PathBuf {
        let path = self.folder.join("hook");
        let script = format!(
            "#!/bin/sh\nset -e\ncase $1 in add) what=set-txt;; remove) what=clear-txt;; esac\n\
             exec curl -fsS -o /dev/null -d \"{{\\\"host\\\":\\\"$2.\\\",\\\"value\\\":\\\"$3\\\"}}\" \
             http://127.0.0.1:{}/$what\n",
            self.names_management
        );
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Starts both; they ask this machine at these ports in place of 80 and 443.
    pub async fn start(&self, http: u16, tls: u16) -> Option<Running> {
        let config = self.folder.join("pebble.json");
        let settings = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.directory),
            "managementListenAddress": format!("127.0.0.1:{}", self.management),
            "certificate": self.folder.join("pebble.pem"),
            "privateKey": self.folder.join("pebble.key"),
            "httpPort": http,
            "tlsPort": tls,
        }});
        std::fs::write(&config, settings.to_string()).unwrap();
        let program = std::env::var("PEBBLE_BIN").unwrap_or_else(|_| "pebble".to_owned());
        let mut pebble = Command::new(&program);
        pebble.arg("-config").arg(&config);
        pebble.args(["-dnsserver", &format!("127.0.0.1:{}", self.names)]);
        // Nothing is left to chance, and each name has to be shown each time.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        pebble.env("PEBBLE_AUTHZREUSE", "0");
        let mut names = Command::new(format!("{program}-challtestsrv"));
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        names.args(["-dns01", &format!("127.0.0.1:{}", self.names)]);
        names.args(["-management", &format!("127.0.0.1:{}", self.names_management)]);
        let mut running = Running(Vec::new());
        for command in [&mut pebble, &mut names] {
            match command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
                Ok(child) => running.0.push(child),
                Err(error) => {
                    println!(
                        "SKIPPED: {program} and its -challtestsrv: {error} (set PEBBLE_BIN, or install pebble)"
                    );
                    return None;
                }
            }
        }
        for port in [self.directory, self.names_management] {
            let there = async {
                while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(Duration::from_secs(20), there).await.expect("pebble answers");
        }
        Some(running)
    }
}

/// Ports that are free at this moment.
fn free<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|held| held.local_addr().unwrap().port())
}
