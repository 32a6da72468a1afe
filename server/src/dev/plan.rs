//! Which clusters the launcher runs, where, and whether their ports are free.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use super::LaunchError;

/// Distance between the API ports of two clusters.
const PORT_STEP: u16 = 10;

/// One cluster of the plan.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    /// `primary`, `secondary-1`, ...; the name of its folder and its id in replication.
    pub(super) name: String,
    /// Its data folder.
    pub(super) data: PathBuf,
    /// Its log.
    pub(super) log: PathBuf,
    /// Where its API listens; the cluster port is one above.
    pub(super) api: SocketAddr,
}

impl Planned {
    /// `http://127.0.0.1:8200`
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.api)
    }
}

/// The primary first, then its secondaries.
pub(super) fn plan(
    folder: &Path,
    first: SocketAddr,
    secondaries: u16,
) -> Result<Vec<Planned>, LaunchError> {
    let no_room = || LaunchError::NoRoom { first, members: secondaries.saturating_add(1) };
    let mut members = Vec::new();
    for number in 0..=secondaries {
        let step = number.checked_mul(PORT_STEP).ok_or_else(no_room)?;
        let port = first.port().checked_add(step).filter(|p| *p < u16::MAX).ok_or_else(no_room)?;
        let name = if number == 0 { "primary".to_owned() } else { format!("secondary-{number}") };
        members.push(Planned {
            data: folder.join(&name),
            log: folder.join(format!("{name}.log")),
            api: SocketAddr::new(first.ip(), port),
            name,
        });
    }
    Ok(members)
}

/// Refuses a plan of which a port is taken, before anything is started.
pub(super) fn check_ports(members: &[Planned]) -> Result<(), LaunchError> {
    for member in members {
        let cluster = SocketAddr::new(member.api.ip(), member.api.port() + 1);
        for (address, purpose) in [(member.api, "API"), (cluster, "cluster port")] {
            if TcpListener::bind(address).is_err() {
                let member = member.name.clone();
                return Err(LaunchError::PortInUse { address, member, purpose });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::path::Path;

    use super::{LaunchError, check_ports, plan};

    #[test]
    fn ports_are_ten_apart() {
        let first: SocketAddr = "127.0.0.1:8200".parse().unwrap();
        let members = plan(Path::new("/d"), first, 2).unwrap();
        let text: Vec<_> = members.iter().map(|m| format!("{} {}", m.name, m.url())).collect();
        assert_eq!(
            text,
            [
                "primary http://127.0.0.1:8200",
                "secondary-1 http://127.0.0.1:8210",
                "secondary-2 http://127.0.0.1:8220"
            ]
        );
        let last: SocketAddr = "127.0.0.1:65530".parse().unwrap();
        assert!(matches!(plan(Path::new("/d"), last, 1), Err(LaunchError::NoRoom { .. })));
    }

    #[test]
    fn a_taken_port_is_named_with_its_purpose() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let members = plan(Path::new("/d"), address, 0).unwrap();
        match check_ports(&members) {
            Err(LaunchError::PortInUse { address: found, purpose: "API", .. }) => {
                assert_eq!(found, address);
            }
            other => panic!("{other:?}"),
        }
    }
}
