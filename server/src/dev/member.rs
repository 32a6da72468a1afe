//! One cluster's process: its command line, its start, its end.

use std::fs::OpenOptions;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::LaunchError;
use super::plan::Planned;
use super::program::here;

/// Bytes of the end of a log that are shown when a process dies.
const TAIL_BYTES: usize = 2_000;

/// The variable that hands the root token to a process, so that it is not in its command line.
const ROOT_TOKEN: &str = "STRONGROOM_DEV_ROOT_TOKEN_ID";

/// A cluster and, if this launcher started it, its process.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) plan: Planned,
    process: Option<Child>,
}

impl Member {
    /// Not started yet.
    pub(super) fn new(plan: Planned) -> Self {
        Self { plan, process: None }
    }

    /// Starts the process. It is a process group of its own: Ctrl-C reaches the launcher only.
    pub(super) fn start(&mut self, folder: &Path, root_token: &str) -> Result<(), LaunchError> {
        let unusable = |source| LaunchError::Folder { path: self.plan.log.clone(), source };
        let log =
            OpenOptions::new().create(true).append(true).open(&self.plan.log).map_err(unusable)?;
        let errors = log.try_clone().map_err(unusable)?;
        let spawn = |source| LaunchError::Spawn { member: self.plan.name.clone(), source };
        let binary = std::env::current_exe().map_err(spawn)?;
        let child = Command::new(binary)
            .args(self.arguments(folder))
            .env(ROOT_TOKEN, root_token)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(spawn)?;
        self.process = Some(child);
        Ok(())
    }

    fn arguments(&self, folder: &Path) -> [String; 8] {
        [
            "server".to_owned(),
            "--dev".to_owned(),
            "--dev-data".to_owned(),
            self.plan.data.display().to_string(),
            "--dev-listen-address".to_owned(),
            self.plan.api.to_string(),
            "--dev-launcher".to_owned(),
            folder.display().to_string(),
        ]
    }

    /// What a person types to start it again.
    pub(super) fn command(&self, folder: &Path) -> String {
        let mut words = vec![here()];
        words.extend(self.arguments(folder));
        words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }

    /// Process id, while this launcher's process runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// How the process ended, once, if it did.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.process.as_mut()?.try_wait().ok()??;
        self.process = None;
        Some(how(status))
    }

    /// Last resort at the end.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// The error that tells why the process ended while starting.
    pub(super) fn death(&self, how: String) -> LaunchError {
        let text = std::fs::read(&self.plan.log).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(TAIL_BYTES)..];
        LaunchError::Died {
            member: self.plan.name.clone(),
            how,
            log: self.plan.log.clone(),
            tail: String::from_utf8_lossy(tail).into_owned(),
        }
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}

/// Quotes a word that a shell would take apart.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(shell_word("/tmp/a-b_c.d"), "/tmp/a-b_c.d");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
