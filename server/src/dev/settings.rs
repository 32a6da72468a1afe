//! What a launcher remembers in its folder between starts: the root token of its clusters.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::LaunchError;

/// Name of the file, readable by its owner only.
const FILE: &str = "dev.json";
/// Letters after `hvs.` in a drawn root token.
const TOKEN_LEN: usize = 24;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The file's content.
#[derive(Serialize, Deserialize)]
pub(super) struct Settings {
    /// All clusters of the launcher are made with it.
    pub(super) root_token: Zeroizing<String>,
}

/// Reads the folder's settings; makes them, with `chosen` or a random token, when there are none.
/// They are on disk before any cluster is made with them.
pub(super) fn open(folder: &Path, chosen: Option<&str>) -> Result<Settings, LaunchError> {
    let path = folder.join(FILE);
    let unusable = |source| LaunchError::Folder { path: path.clone(), source };
    match std::fs::read(&path) {
        Ok(bytes) => {
            let bytes = Zeroizing::new(bytes);
            return serde_json::from_slice(&bytes).map_err(|e| unusable(e.into()));
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(unusable(e)),
    }
    let root_token = match chosen {
        Some(token) => token.to_owned(),
        None => format!("hvs.{}", random_name(TOKEN_LEN)?),
    };
    let settings = Settings { root_token: root_token.into() };
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

    use super::{FILE, open, random_name};

    #[test]
    fn the_first_token_stays() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), Some("mine")).unwrap();
        assert_eq!(first.root_token.as_str(), "mine");
        assert_eq!(open(folder.path(), None).unwrap().root_token.as_str(), "mine");
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn random_names_have_their_length_and_differ() {
        let (a, b) = (random_name(24).unwrap(), random_name(24).unwrap());
        assert!(a.len() == 24 && a != b && a.bytes().all(|c| c.is_ascii_alphanumeric()));
    }
}
