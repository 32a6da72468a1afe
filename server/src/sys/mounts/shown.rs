//! Mounts as the API shows them.

use serde_json::{Value, json};

use crate::config::LeaseTimes;
use crate::mount::MountEntry;

/// Kinds that are there by themselves.
const BUILT_IN: [&str; 4] = ["system", "cubbyhole", "identity", "token"];

/// A mount as the API shows it.
pub(in crate::sys) fn show(entry: &MountEntry) -> Value {
    let mut shown = json!({
        "type": entry.kind,
        "description": entry.description,
        "accessor": entry.accessor,
        "uuid": entry.uuid,
        "local": entry.local,
        "seal_wrap": entry.seal_wrap,
        "external_entropy_access": entry.external_entropy_access,
        "options": entry.options,
        "config": config(entry),
        "plugin_version": "",
        "running_plugin_version": concat!("v", env!("CARGO_PKG_VERSION"), "+builtin"),
        "running_sha256": "",
    });
    // What cannot be mounted is no plugin that anybody could support.
    if !BUILT_IN.contains(&entry.kind.as_str()) {
        shown["deprecation_status"] = "supported".into();
    }
    shown
}

/// A mount's configuration as the API shows it.
fn config(entry: &MountEntry) -> Value {
    let mut config = json!(entry.config);
    if let Some(lockout) = &entry.config.user_lockout_config {
        config["user_lockout_config"] = json!({
            "user_lockout_threshold": lockout.lockout_threshold,
            "user_lockout_duration": lockout.lockout_duration,
            "user_lockout_counter_reset_duration": lockout.lockout_counter_reset,
            "user_lockout_disable": lockout.lockout_disable,
        });
    }
    config
}

/// What `tune` shows: times in force and what was set.
pub(super) fn tuning(entry: &MountEntry, times: LeaseTimes) -> Value {
    let or = |own: u64, default| if own == 0 { default } else { own };
    let mut data = serde_json::to_value(&entry.config).unwrap_or_default();
    data["default_lease_ttl"] = or(entry.config.default_lease_ttl, times.default).into();
    data["max_lease_ttl"] = or(entry.config.max_lease_ttl, times.max).into();
    data["description"] = entry.description.clone().into();
    if entry.external_entropy_access {
        data["external_entropy_access"] = true.into();
    }
    if let Some(options) = entry.options.as_ref().filter(|o| !o.is_empty()) {
        data["options"] = json!(options);
    }
    if let (Some(lockout), Some(fields)) = (entry.config.user_lockout_config, data.as_object_mut())
    {
        fields.remove("user_lockout_config");
        for (name, value) in [
            ("user_lockout_threshold", json!(lockout.lockout_threshold)),
            ("user_lockout_duration", json!(lockout.lockout_duration)),
            ("user_lockout_counter_reset_duration", json!(lockout.lockout_counter_reset)),
            ("user_lockout_disable", json!(lockout.lockout_disable)),
        ] {
            fields.insert(name.to_owned(), value);
        }
    }
    data
}
