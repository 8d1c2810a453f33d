//! Loopback ports for processes that are told where to listen. A port that was free a moment ago may be anybody's when it is
//! needed: the system gives it to the next connection. These lie below the range that it gives out, and no other test of this
//! machine takes one while it is held.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

/// The first of them.
const PORT_MIN: u16 = 14_000;
/// Where the range of the system usually begins.
const SYSTEM_PORT_MIN: u16 = 32_768;
/// Fewer below that range are too few for all tests of a machine.
const PORTS_MIN: u16 = 1_000;

/// A port of this process alone, until it is dropped.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    _lock: File,
}

impl Port {
    /// One that nobody listens on.
    ///
    /// # Panics
    /// When all are taken.
    pub fn take() -> Self {
        let folder = folder();
        let end = system_range_begins();
        let count = end - PORT_MIN;
        // Not all from the same place: processes that begin together would go the whole way beside each other.
        let from =
            u16::try_from(std::process::id() % u32::from(count)).expect("less than the count");
        let numbers =
            (0..count).map(|step| (u32::from(from) + u32::from(step) * 7) % u32::from(count));
        let mut ports =
            numbers.map(|number| PORT_MIN + u16::try_from(number).expect("below the count"));
        ports.find_map(|port| Self::try_take(&folder, port)).expect("a free port")
    }

    fn try_take(folder: &std::path::Path, port: u16) -> Option<Self> {
        // Nothing is written: what lies there already is not touched.
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let lock = options.open(folder.join(port.to_string())).ok()?;
        lock.try_lock().ok()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).ok()?;
        drop(listener);
        Some(Self { address, _lock: lock })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Where the locks lie: a folder of this user's, shared by all tests of the machine.
fn folder() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    let folder = std::env::temp_dir().join(format!("portcullis-test-ports-{user}"));
    fs::create_dir_all(&folder).expect("a folder for the locks of ports");
    folder
}

/// Where the range that the system gives out begins. On a machine that gives out nearly all ports, the usual place: tests still
/// keep out of each other's way, and a connection of the system's choosing may not.
fn system_range_begins() -> u16 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let begins = text.split_whitespace().next().and_then(|first| first.parse().ok());
    begins.filter(|begins| *begins >= PORT_MIN + PORTS_MIN).unwrap_or(SYSTEM_PORT_MIN)
}
