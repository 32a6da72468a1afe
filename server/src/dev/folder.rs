//! The folder that a development server keeps its data in: the user's, or one that goes away.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::LaunchError;
use super::leftover::{self, Owned};
use super::settings::random_name;

/// Letters of the random part of a temporary folder's name.
const NAME_LEN: usize = 12;
const PREFIX: &str = "strongroom-dev-";

/// A folder, removed on drop if it is temporary.
#[derive(Debug)]
pub struct DevFolder {
    path: PathBuf,
    /// Of a temporary one.
    owned: Option<Owned>,
}

impl DevFolder {
    /// The user's folder, made if need be and kept; or a new one below the system's temporary folder.
    /// Others cannot read what is made here. Temporary folders of servers that were killed go.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(chosen: Option<&Path>) -> Result<Self, LaunchError> {
        if let Some(path) = chosen {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            make(&path, true)?;
            return Ok(Self { path, owned: None });
        }
        let parent = std::env::temp_dir();
        leftover::sweep(&parent, PREFIX);
        loop {
            let path = parent.join(format!("{PREFIX}{}", random_name(NAME_LEN)?));
            make(&path, false)?;
            let owned = Owned::take(&path)
                .map_err(|source| LaunchError::Folder { path: path.clone(), source })?;
            if owned.is_some() {
                return Ok(Self { path, owned });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes away with this value.
    pub fn is_temporary(&self) -> bool {
        self.owned.is_some()
    }
}

fn make(path: &Path, recursive: bool) -> Result<(), LaunchError> {
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(recursive).mode(0o700).create(path);
    made.map_err(|source| LaunchError::Folder { path: path.to_owned(), source })
}

impl Drop for DevFolder {
    fn drop(&mut self) {
        if self.is_temporary()
            && let Err(error) = std::fs::remove_dir_all(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            eprintln!("the temporary folder {} is left behind: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DevFolder;

    #[test]
    fn only_a_temporary_folder_goes_away() {
        let temporary = DevFolder::open(None).unwrap();
        let path = temporary.path().to_owned();
        std::fs::write(path.join("x"), "x").unwrap();
        drop(temporary);
        assert!(!path.exists());

        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/b");
        drop(DevFolder::open(Some(&path)).unwrap());
        assert!(path.exists());
    }
}
