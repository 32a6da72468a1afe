//! Runs client programs: our own, `bao`, and Python scripts with `hvac`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a program did.
#[derive(Debug)]
pub(crate) struct Run {
    /// Exit code; -1 after a signal.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The same, if it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// The same, if it failed with that code and said so.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.err.contains(words) || self.out.contains(words), "no {words:?} in {self:#?}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e} in {self:#?}"))
    }
}

/// Runs our own client.
pub(crate) fn strongroom(environment: &[(&str, &str)], arguments: &[&str]) -> Run {
    run(Path::new(env!("CARGO_BIN_EXE_strongroom")), environment, arguments)
}

/// Runs `bao`.
pub(crate) fn bao(environment: &[(&str, &str)], arguments: &[&str]) -> Run {
    run(&client("bao"), environment, arguments)
}

/// Runs a script of `server/tests/clients`.
pub(crate) fn python(environment: &[(&str, &str)], script: &str) -> Run {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    run(&client("python3"), environment, &[path.to_str().unwrap()])
}

pub(crate) fn client(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = root.join("target/clients/bin").join(name);
    assert!(path.exists(), "{} is missing; install it with: tools/test clients", path.display());
    path
}

fn run(program: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    // Nothing of the developer's own environment may leak in.
    for (name, _) in std::env::vars() {
        if ["VAULT_", "BAO_", "STRONGROOM_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.env("HOME", "/nonexistent").envs(environment.iter().copied());
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
