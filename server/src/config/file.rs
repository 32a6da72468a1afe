//! The configuration file: HCL with Vault's names.

use std::net::SocketAddr;
use std::path::PathBuf;

use hcl::edit::structure::{Block, BlockLabel, Body};

use super::fields::{Fields, Lines};
use super::{
    Config, ConfigError, DEFAULT_API_PORT, DEFAULT_LOG_RETENTION_BYTES, ForwardedFor, LeaseTimes,
    Limits, Listener, Loaded, Open, ProxyBehavior, ProxyProtocol, TlsFiles, json, quoted,
};

/// Levels of the log, quietest last.
const LOG_LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];
const LOG_LEVEL_EXPECTED: &str = "one of trace, debug, info, warn, error";
const PROXY_BEHAVIORS: [&str; 3] = ["use_always", "allow_authorized", "deny_unauthorized"];
const PROXY_EXPECTED: &str = "use_always, allow_authorized or deny_unauthorized";
/// Kinds of storage that are a folder in other servers' files.
const STORES_OF_OTHERS: [&str; 2] = ["file", "raft"];
const TLS_VERSION_EXPECTED: &str = "tls12 or tls13";

/// Parses and checks a whole file.
pub(super) fn parse(text: &str) -> Result<Loaded, ConfigError> {
    let loaded = parse_any(text)?;
    if loaded.config.listeners.is_empty() {
        return Err(ConfigError::Missing {
            what: "listener",
            example: "listener \"tcp\" { address = \"127.0.0.1:8200\" ... }",
        });
    }
    if !loaded.volatile && loaded.config.data_path.as_os_str().is_empty() {
        return Err(ConfigError::Missing {
            what: "storage path",
            example: "storage \"strongroom\" { path = \"/var/lib/strongroom\" }",
        });
    }
    Ok(loaded)
}

/// As [`parse`], for a file that adds to what is known already: listeners and storage may be missing.
pub(super) fn parse_any(text: &str) -> Result<Loaded, ConfigError> {
    let written = if json::is_json(text) {
        Some(json::as_hcl(text).map_err(|e| ConfigError::Syntax {
            line: e.line(),
            column: e.column(),
            message: "not valid JSON".to_owned(),
        })?)
    } else {
        None
    };
    let plain = quoted::bare(text);
    let lines = match &written {
        Some(hcl) => Lines { text: &hcl.text, of_file: &hcl.lines },
        None => Lines { text: &plain, of_file: &[] },
    };
    let body = body(&lines)?;
    let mut warnings = Vec::new();
    let mut top = Fields::of("", &body, &lines)?;

    let mut listeners = Vec::new();
    for block in top.blocks("listener") {
        listeners.push(listener(block, &lines, &mut warnings)?);
    }
    let place = storage(&mut top, &lines, &mut warnings)?;
    let volatile = place == Some(Place::Memory);
    let data_path = match place {
        Some(Place::Folder(path)) => path,
        Some(Place::Memory) | None => PathBuf::new(),
    };
    let config = Config {
        listeners,
        data_path,
        log_retention_bytes: replication(&mut top, &lines, &mut warnings)?,
        lease_times: lease_times(&mut top)?,
        api_addr: top.text("api_addr")?,
        cluster_addr: top.text("cluster_addr")?,
        cluster_name: top.text("cluster_name")?,
        disable_mlock: top.flag("disable_mlock")?.unwrap_or(false),
        log_level: top
            .one_of("log_level", &LOG_LEVELS, LOG_LEVEL_EXPECTED)?
            .unwrap_or_else(|| "info".to_owned()),
        dev: None,
    };
    // There is no user interface to switch off or on.
    top.ignore("ui");
    top.finish(&mut warnings);
    Ok(Loaded { config, volatile, warnings })
}

/// What is not given, or 0, is 32 days.
fn lease_times(top: &mut Fields<'_>) -> Result<LeaseTimes, ConfigError> {
    let line = top.line("default_lease_ttl").or(top.line("max_lease_ttl"));
    let mut seconds = |key: &str, otherwise: u64| {
        let given = top.duration(key)?.map_or(0, |d| d.as_secs());
        Ok::<_, ConfigError>(if given == 0 { otherwise } else { given })
    };
    let usual = LeaseTimes::default();
    let max = seconds("max_lease_ttl", usual.max)?;
    let times = LeaseTimes { default: seconds("default_lease_ttl", usual.default)?, max };
    if times.default > times.max {
        return Err(ConfigError::Value {
            line: line.unwrap_or(1),
            key: "default_lease_ttl".to_owned(),
            expected: "no longer than max_lease_ttl; each is 768h where it is not given",
        });
    }
    Ok(times)
}

fn body(lines: &Lines<'_>) -> Result<Body, ConfigError> {
    hcl::edit::parser::parse_body(lines.text).map_err(|e| ConfigError::Syntax {
        line: lines.in_file(e.location().line()),
        column: e.location().column(),
        message: e.message().to_owned(),
    })
}

fn listener(
    block: &Block,
    lines: &Lines<'_>,
    warnings: &mut Vec<String>,
) -> Result<Listener, ConfigError> {
    check_kind(block, lines, "listener", "tcp")?;
    let mut fields = Fields::of("listener.", &block.body, lines)?;
    let address = fields
        .address("address", DEFAULT_API_PORT)?
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], DEFAULT_API_PORT)));
    let cluster_address = fields.address("cluster_address", address.port().saturating_add(1))?;
    let plain = fields.flag("tls_disable")?.unwrap_or(false);
    let cert_file = fields.text("tls_cert_file")?;
    let key_file = fields.text("tls_key_file")?;
    let min_version =
        fields.one_of("tls_min_version", &["tls12", "tls13"], TLS_VERSION_EXPECTED)?;
    let max_version =
        fields.one_of("tls_max_version", &["tls12", "tls13"], TLS_VERSION_EXPECTED)?;
    let client_ca_file = fields.text("tls_client_ca_file")?.map(PathBuf::from);
    let require_client_cert = fields.flag("tls_require_and_verify_client_cert")?.unwrap_or(false);
    let client_certs = !fields.flag("tls_disable_client_certs")?.unwrap_or(false);
    let limits = limits(&mut fields)?;
    let forwarded_for = forwarded_for(&mut fields)?;
    let proxy = proxy(&mut fields)?;
    let open = Open {
        metrics: opened(
            &mut fields,
            lines,
            warnings,
            "telemetry",
            "unauthenticated_metrics_access",
        )?,
        in_flight: opened(
            &mut fields,
            lines,
            warnings,
            "inflight_requests_logging",
            "unauthenticated_in_flight_requests_access",
        )?,
    };
    fields.finish(warnings);
    let tls = match (plain, cert_file, key_file) {
        (true, ..) => None,
        (false, Some(cert), Some(key)) => Some(TlsFiles {
            cert_file: cert.into(),
            key_file: key.into(),
            min_version,
            max_version,
            client_certs,
            client_ca_file,
            require_client_cert,
        }),
        (false, ..) => return Err(ConfigError::TlsRequired { line: lines.of(block) }),
    };
    Ok(Listener { address, cluster_address, tls, limits, forwarded_for, proxy, open })
}

/// The flag `key` of the listener's block `name`.
fn opened(
    listener: &mut Fields<'_>,
    lines: &Lines<'_>,
    warnings: &mut Vec<String>,
    name: &'static str,
    key: &'static str,
) -> Result<bool, ConfigError> {
    let blocks = listener.blocks(name);
    let Some(block) = only(&blocks, lines, name)? else { return Ok(false) };
    let mut fields = Fields::of("listener.", &block.body, lines)?;
    let open = fields.flag(key)?.unwrap_or(false);
    fields.finish(warnings);
    Ok(open)
}

fn limits(fields: &mut Fields<'_>) -> Result<Limits, ConfigError> {
    let default = Limits::default();
    let body = fields.bytes("max_request_size")?.and_then(|n| usize::try_from(n).ok());
    let duration = fields.duration("max_request_duration")?;
    Ok(Limits {
        body_max: body.filter(|n| *n > 0).unwrap_or(default.body_max),
        duration_max: duration.filter(|d| !d.is_zero()).unwrap_or(default.duration_max),
    })
}

fn forwarded_for(fields: &mut Fields<'_>) -> Result<ForwardedFor, ConfigError> {
    Ok(ForwardedFor {
        authorized: fields.networks("x_forwarded_for_authorized_addrs")?,
        hop_skips: fields.count("x_forwarded_for_hop_skips")?.unwrap_or(0),
        reject_not_present: fields.flag("x_forwarded_for_reject_not_present")?.unwrap_or(true),
        reject_not_authorized: fields
            .flag("x_forwarded_for_reject_not_authorized")?
            .unwrap_or(true),
    })
}

fn proxy(fields: &mut Fields<'_>) -> Result<Option<ProxyProtocol>, ConfigError> {
    let behavior = fields.one_of("proxy_protocol_behavior", &PROXY_BEHAVIORS, PROXY_EXPECTED)?;
    let authorized = fields.networks("proxy_protocol_authorized_addrs")?;
    Ok(behavior.map(|word| ProxyProtocol {
        behavior: match word.as_str() {
            "use_always" => ProxyBehavior::UseAlways,
            "allow_authorized" => ProxyBehavior::AllowAuthorized,
            _ => ProxyBehavior::DenyUnauthorized,
        },
        authorized,
    }))
}

/// Where data is kept.
#[derive(PartialEq, Eq)]
enum Place {
    Folder(PathBuf),
    /// Nowhere for longer than the server runs.
    Memory,
}

fn storage(
    top: &mut Fields<'_>,
    lines: &Lines<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Place>, ConfigError> {
    let mut blocks = top.blocks("storage");
    // The old name.
    blocks.extend(top.blocks("backend"));
    let Some(block) = only(&blocks, lines, "storage")? else { return Ok(None) };
    let kind = kind(block);
    let mut fields = Fields::of("storage.", &block.body, lines)?;
    if kind == "inmem" {
        fields.finish(warnings);
        return Ok(Some(Place::Memory));
    }
    if STORES_OF_OTHERS.contains(&kind) {
        // A file that was written for another server starts this one, too.
        warnings.push(format!(
            "storage \"{kind}\" at line {}: the data is kept by strongroom's own engine in that \
             folder; write storage \"strongroom\" to say so",
            lines.of(block)
        ));
        fields.ignore("node_id");
    } else {
        check_kind(block, lines, "storage", "strongroom")?;
    }
    let path = fields.text("path")?.filter(|p| !p.is_empty());
    fields.finish(warnings);
    Ok(path.map(|path| Place::Folder(path.into())))
}

fn replication(
    top: &mut Fields<'_>,
    lines: &Lines<'_>,
    warnings: &mut Vec<String>,
) -> Result<u64, ConfigError> {
    let blocks = top.blocks("replication");
    let Some(block) = only(&blocks, lines, "replication")? else {
        return Ok(DEFAULT_LOG_RETENTION_BYTES);
    };
    let mut fields = Fields::of("replication.", &block.body, lines)?;
    let bytes = fields.bytes("log_retention")?.unwrap_or(DEFAULT_LOG_RETENTION_BYTES);
    fields.finish(warnings);
    Ok(bytes)
}

/// The block, none, or an error when there are two.
fn only<'b>(
    blocks: &[&'b Block],
    lines: &Lines<'_>,
    key: &str,
) -> Result<Option<&'b Block>, ConfigError> {
    match blocks {
        [] => Ok(None),
        [block] => Ok(Some(block)),
        [_, second, ..] => Err(ConfigError::Twice { line: lines.of(*second), key: key.to_owned() }),
    }
}

fn check_kind(
    block: &Block,
    lines: &Lines<'_>,
    name: &'static str,
    supported: &'static str,
) -> Result<(), ConfigError> {
    let kind = kind(block);
    if kind == supported && block.labels.len() == 1 {
        return Ok(());
    }
    Err(ConfigError::Kind { line: lines.of(block), block: name, kind: kind.to_owned(), supported })
}

/// The first word behind a block's name.
fn kind(block: &Block) -> &str {
    match block.labels.first() {
        Some(BlockLabel::Ident(kind)) => kind.as_str(),
        Some(BlockLabel::String(kind)) => kind.as_str(),
        None => "",
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
