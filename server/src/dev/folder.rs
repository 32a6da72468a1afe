//! The folder that a development server keeps its data in: the user's, or one that goes away.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::LaunchError;
use super::settings::random_name;

/// Letters of the random part of a temporary folder's name.
const NAME_LEN: usize = 12;

/// A folder, removed on drop if it is temporary.
#[derive(Debug)]
pub struct DevFolder {
    path: PathBuf,
    temporary: bool,
}

impl DevFolder {
    /// The user's folder, made if need be and kept; or a new one below the system's temporary folder.
    /// Others cannot read what is made here.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(chosen: Option<&Path>) -> Result<Self, LaunchError> {
        let temporary = chosen.is_none();
        let path = if let Some(path) = chosen {
            std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
        } else {
            let name = format!("strongroom-dev-{}", random_name(NAME_LEN)?);
            std::env::temp_dir().join(name)
        };
        std::fs::DirBuilder::new()
            .recursive(!temporary)
            .mode(0o700)
            .create(&path)
            .map_err(|source| LaunchError::Folder { path: path.clone(), source })?;
        Ok(Self { path, temporary })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes away with this value.
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }
}

impl Drop for DevFolder {
    fn drop(&mut self) {
        if self.temporary
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
