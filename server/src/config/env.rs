//! The environment variables that a server reads.
//!
//! `STRONGROOM_X` is asked first, then `BAO_X`, then `VAULT_X`; an empty variable counts as absent.

use super::Config;

/// Prefixes in the order in which they are asked.
const PREFIXES: [&str; 3] = ["STRONGROOM_", "BAO_", "VAULT_"];

/// A view of the environment, so that tests need not change the process's own.
pub struct Env {
    get: Box<Source>,
}

/// Finds a variable by its full name.
type Source = dyn Fn(&str) -> Option<String> + Send + Sync;

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Variables may hold tokens.
        f.write_str("Env { .. }")
    }
}

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    /// Any other source of variables.
    pub fn of(get: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { get: Box::new(get) }
    }

    /// The variable of that name under the first prefix that has it: `var("ADDR")`.
    pub fn var(&self, name: &str) -> Option<String> {
        PREFIXES.iter().find_map(|prefix| self.plain(&format!("{prefix}{name}")))
    }

    /// A variable by its full name.
    pub fn plain(&self, name: &str) -> Option<String> {
        (self.get)(name).filter(|value| !value.is_empty())
    }

    /// Lets `*_API_ADDR`, `*_CLUSTER_ADDR` and `*_LOG_LEVEL` override the file.
    pub(super) fn overlay(&self, config: &mut Config) {
        if let Some(address) = self.var("API_ADDR") {
            config.api_addr = Some(address);
        }
        if let Some(address) = self.var("CLUSTER_ADDR") {
            config.cluster_addr = Some(address);
        }
        if let Some(level) = self.var("LOG_LEVEL") {
            config.log_level = level;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Env;

    #[test]
    fn own_prefix_wins_and_empty_is_absent() {
        let env = Env::of(|name| match name {
            "VAULT_ADDR" | "VAULT_TOKEN" => Some("vault".to_owned()),
            "BAO_ADDR" => Some("bao".to_owned()),
            "BAO_TOKEN" => Some(String::new()),
            _ => None,
        });
        assert_eq!(env.var("ADDR").as_deref(), Some("bao"));
        assert_eq!(env.var("TOKEN").as_deref(), Some("vault"));
        assert_eq!(env.var("CACERT"), None);
    }
}
