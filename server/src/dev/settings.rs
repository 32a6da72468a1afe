//! What a launcher remembers in its folder between starts: the root token of its clusters, and where
//! they are, because the secondaries know the primary by its address.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::LaunchError;
use crate::config::DEFAULT_API_PORT;

/// Name of the file, readable by its owner only.
const FILE: &str = "dev.json";
/// Where the primary's API is when nobody says otherwise.
const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_API_PORT);
/// Letters after `hvs.` in a drawn root token.
const TOKEN_LEN: usize = 24;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The file's content.
#[derive(Serialize, Deserialize)]
pub(super) struct Settings {
    /// All clusters of the launcher are made with it.
    pub(super) root_token: Zeroizing<String>,
    /// API address of the primary.
    pub(super) address: SocketAddr,
}

/// Reads the folder's settings; makes them, with `chosen` or a random token, when there are none.
/// They are on disk before any cluster is made with them.
///
/// # Errors
/// Another address than the one the clusters were made at.
pub(super) fn open(
    folder: &Path,
    chosen: Option<&str>,
    address: Option<SocketAddr>,
) -> Result<Settings, LaunchError> {
    let path = folder.join(FILE);
    let unusable = |source| LaunchError::Folder { path: path.clone(), source };
    match std::fs::read(&path) {
        Ok(bytes) => {
            let bytes = Zeroizing::new(bytes);
            let settings: Settings =
                serde_json::from_slice(&bytes).map_err(|e| unusable(e.into()))?;
            if address.is_some_and(|address| address != settings.address) {
                let folder = folder.to_owned();
                return Err(LaunchError::Moved { folder, address: settings.address });
            }
            return Ok(settings);
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(unusable(e)),
    }
    let root_token = match chosen {
        Some(token) => token.to_owned(),
        None => format!("hvs.{}", random_name(TOKEN_LEN)?),
    };
    let address = address.unwrap_or(DEFAULT_ADDRESS);
    let settings = Settings { root_token: root_token.into(), address };
    write_private(&path, &settings).map_err(unusable)?;
    Ok(settings)
}

fn write_private(path: &Path, settings: &Settings) -> std::io::Result<()> {
    let bytes = Zeroizing::new(serde_json::to_vec(settings)?);
    let beside = path.with_extension("tmp");
    // One launcher at a time holds the folder, so what is there is left from one that was killed.
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

/// Random letters and digits.
pub(super) fn random_name(len: usize) -> Result<String, LaunchError> {
    let mut name = String::with_capacity(len);
    while name.len() < len {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(|e| LaunchError::Random(e.to_string()))?;
        // 248 is the largest multiple of 62 in a byte: no letter is likelier than another.
        let letters = bytes.iter().filter(|b| **b < 248).map(|b| BASE62[usize::from(b % 62)]);
        name.extend(letters.map(char::from).take(len - name.len()));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{FILE, LaunchError, open, random_name};

    #[test]
    fn the_first_token_and_address_stay() {
        let folder = tempfile::tempdir().unwrap();
        let address = "127.0.0.1:9200".parse().unwrap();
        let first = open(folder.path(), Some("mine"), Some(address)).unwrap();
        assert_eq!((first.root_token.as_str(), first.address), ("mine", address));
        let again = open(folder.path(), None, None).unwrap();
        assert_eq!((again.root_token.as_str(), again.address), ("mine", address));
        // Secondaries that look for their primary at the old address would never find it.
        let moved = open(folder.path(), None, Some("127.0.0.1:9300".parse().unwrap()));
        assert!(matches!(moved, Err(LaunchError::Moved { .. })));
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn random_names_have_their_length_and_differ() {
        let (a, b) = (random_name(24).unwrap(), random_name(24).unwrap());
        assert!(a.len() == 24 && a != b && a.bytes().all(|c| c.is_ascii_alphanumeric()));
    }
}
