//! The API as data: the `OpenAPI` document and the help of a path, both made from the tables that
//! route requests, so that neither can say what the server does not do.

mod help;
mod openapi;

use crate::barrier::{Session, ViewError};
use crate::engine;
use crate::logical::Described;
use crate::mount::{AUTH_KEY, LOCAL_KEY, MOUNTS_KEY, Mount, Target, router};
use crate::sys;

pub use help::help;
pub use openapi::{ROUTES, document};

/// The paths of what a mount answers.
fn paths(target: Target) -> Vec<Described> {
    match target {
        Target::Engine(table) => table.iter().map(crate::logical::Route::describe).collect(),
        Target::Core(table) | Target::Own(table) => {
            table.iter().map(crate::logical::Route::describe).collect()
        }
        Target::System => sys::described(),
        Target::Unknown => Vec::new(),
    }
}

/// All mounts by path, `sys/` among them.
fn mounts(session: &mut Session) -> Result<Vec<std::sync::Arc<Mount>>, ViewError> {
    let mut all = Vec::new();
    for key in [MOUNTS_KEY, LOCAL_KEY, AUTH_KEY] {
        all.extend(router(session, key)?.all().map(std::sync::Arc::clone));
    }
    all.sort_by(|a, b| a.info.path.cmp(&b.info.path));
    Ok(all)
}

/// `path` as documents write it: `keys/{name}/rotate`.
fn template(pattern: &str) -> String {
    pattern.replace("..}", "}")
}

/// The names in a pattern.
fn parameters(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        Some(name.strip_suffix("..").unwrap_or(name))
    })
}

/// Whether there is an engine of that kind behind a mount; `sys/` and tokens count too.
fn known(mount: &Mount) -> bool {
    !matches!(mount.target, Target::Unknown)
        || engine::routes(&mount.entry.kind, &mount.info.options).is_some()
}
