//! The configuration file: HCL with Vault's names.

use std::path::PathBuf;

use hcl::edit::structure::Body;

use super::fields::{Fields, Lines, check_kind, kind, only};
use super::listener::listener;
use super::{
    Config, ConfigError, DEFAULT_LOG_RETENTION_BYTES, DEFAULT_SNAPSHOT_RETENTION_BYTES, LeaseTimes,
    Loaded, json, quoted,
};

/// Levels of the log, quietest last.
const LOG_LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];
const LOG_LEVEL_EXPECTED: &str = "one of trace, debug, info, warn, error";
/// Kinds of storage that are a folder in other servers' files.
const STORES_OF_OTHERS: [&str; 2] = ["file", "raft"];

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
    let Storage { place, io_uring, snapshot_retention_bytes } =
        storage(&mut top, &lines, &mut warnings)?;
    let volatile = place == Some(Place::Memory);
    let data_path = match place {
        Some(Place::Folder(path)) => path,
        Some(Place::Memory) | None => PathBuf::new(),
    };
    let config = Config {
        listeners,
        data_path,
        log_retention_bytes: replication(&mut top, &lines, &mut warnings)?,
        snapshot_retention_bytes,
        io_uring,
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

/// Where data is kept.
#[derive(PartialEq, Eq)]
enum Place {
    Folder(PathBuf),
    /// Nowhere for longer than the server runs.
    Memory,
}

/// What a file says of storage.
struct Storage {
    place: Option<Place>,
    io_uring: bool,
    snapshot_retention_bytes: u64,
}

fn storage(
    top: &mut Fields<'_>,
    lines: &Lines<'_>,
    warnings: &mut Vec<String>,
) -> Result<Storage, ConfigError> {
    let snapshot_retention_bytes = DEFAULT_SNAPSHOT_RETENTION_BYTES;
    let mut storage = Storage { place: None, io_uring: true, snapshot_retention_bytes };
    let mut blocks = top.blocks("storage");
    // The old name.
    blocks.extend(top.blocks("backend"));
    let Some(block) = only(&blocks, lines, "storage")? else { return Ok(storage) };
    let kind = kind(block);
    let mut fields = Fields::of("storage.", &block.body, lines)?;
    if kind == "inmem" {
        fields.finish(warnings);
        storage.place = Some(Place::Memory);
        return Ok(storage);
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
    storage.place = path.map(|path| Place::Folder(path.into()));
    if let Some(bytes) = fields.bytes("snapshot_retention")? {
        storage.snapshot_retention_bytes = bytes;
    }
    storage.io_uring = fields.flag("io_uring")?.unwrap_or(true);
    fields.finish(warnings);
    Ok(storage)
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

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
