//! Mounts: which engine answers which path.

use crate::barrier::{Session, ViewError};
use crate::logical::ApiResult;

/// Writes the mount tables of a new cluster.
///
/// # Errors
/// See [`ViewError`].
pub fn create_defaults(_session: &mut Session) -> Result<(), ViewError> {
    Ok(())
}

/// Mounts `secret/` as KV version 2, as development mode does.
///
/// # Errors
/// See [`ViewError`].
pub fn create_dev_secret(_session: &mut Session) -> ApiResult<()> {
    Ok(())
}
