//! Finds the mount that a path belongs to, and its version.

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::session::Session;

/// The secret that a command is about.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// Mount of the engine; then the path is below it
    #[arg(long, value_name = "PATH")]
    mount: Option<String>,
    /// Path of the secret, with the mount in front unless -mount names it
    path: String,
}

/// The folder that a list is about; a mount alone will do.
#[derive(Debug, Args)]
pub(super) struct Folder {
    /// Mount of the engine; then the path is below it
    #[arg(long, value_name = "PATH")]
    mount: Option<String>,
    /// Path of the folder, with the mount in front unless -mount names it
    #[arg(required_unless_present = "mount")]
    path: Option<String>,
}

impl Folder {
    /// As [`Target::find`].
    pub(super) fn find(self, session: &Session) -> Result<Place, CliError> {
        let path = self.path.unwrap_or_default();
        Target { mount: self.mount, path }.find(session)
    }
}

/// A secret's place.
pub(super) struct Place {
    /// `secret/`
    mount: String,
    /// Path below the mount.
    key: String,
    /// Whether versions are kept.
    pub(super) version2: bool,
}

impl Target {
    /// Asks the server which mount it is.
    pub(super) fn find(&self, session: &Session) -> Result<Place, CliError> {
        let path = self.path.trim_start_matches('/');
        let full = match &self.mount {
            Some(mount) => format!("{}/{path}", mount.trim_matches('/')),
            None => path.to_owned(),
        };
        let answer = session.client.read(&format!("sys/internal/ui/mounts/{full}"))?;
        let data = &answer.body["data"];
        let mount = data["path"].as_str().unwrap_or_default().to_owned();
        let with_slash = if full.ends_with('/') { full } else { format!("{full}/") };
        let Some(key) = with_slash.strip_prefix(&mount).filter(|_| !mount.is_empty()) else {
            let text = format!("the server knows no mount for {with_slash}");
            return Err(CliError::Usage(text));
        };
        let version2 = data["options"]["version"] == "2";
        Ok(Place { key: key.trim_end_matches('/').to_owned(), mount, version2 })
    }
}

impl Place {
    /// Full path: `kind` (`data`, `metadata`, ...) is left out for version 1.
    pub(super) fn path(&self, kind: &str) -> String {
        if self.version2 {
            format!("{}{kind}/{}", self.mount, self.key)
        } else {
            format!("{}{}", self.mount, self.key)
        }
    }

    /// Refuses what version 1 does not have.
    pub(super) fn require_version2(&self, what: &str) -> Result<(), CliError> {
        if self.version2 {
            return Ok(());
        }
        Err(CliError::Usage(format!(
            "{what} needs version 2 of the key-value engine, and {} has version 1",
            self.mount
        )))
    }
}
