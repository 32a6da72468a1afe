//! The block `listener` of the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;

use hcl::edit::structure::Block;

use super::fields::{Fields, Lines, check_kind, only};
use super::{
    ConfigError, DEFAULT_API_PORT, ForwardedFor, Limits, Listener, Open, ProxyBehavior,
    ProxyProtocol, TlsFiles,
};

const PROXY_BEHAVIORS: [&str; 3] = ["use_always", "allow_authorized", "deny_unauthorized"];
const PROXY_EXPECTED: &str = "use_always, allow_authorized or deny_unauthorized";
const TLS_VERSION_EXPECTED: &str = "tls12 or tls13";

pub(super) fn listener(
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
