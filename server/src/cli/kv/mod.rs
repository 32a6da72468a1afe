//! `kv`: the key-value engine, version 1 and 2 behind the same words.

mod metadata;
mod mount;
mod secret;
mod versions;

use clap::Subcommand;

use super::error::CliError;
use super::session::Session;

#[derive(Debug, Subcommand)]
pub(super) enum KvCommand {
    /// Read a secret
    Get(secret::GetArgs),
    /// Write a secret; version 2 keeps the older versions
    Put(secret::PutArgs),
    /// Change some fields of a secret (version 2)
    Patch(secret::PatchArgs),
    /// List the keys below a path
    List(secret::ListArgs),
    /// Delete the latest version, or those named by -versions; they can be undeleted
    Delete(versions::DeleteArgs),
    /// Bring deleted versions back
    Undelete(versions::VersionsArgs),
    /// Remove versions for ever
    Destroy(versions::VersionsArgs),
    /// Write an older version again as the newest
    Rollback(versions::RollbackArgs),
    /// Settings and history of a secret (version 2)
    #[command(subcommand)]
    Metadata(metadata::MetadataCommand),
}

pub(super) fn run(command: KvCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        KvCommand::Get(args) => secret::get(&args, session),
        KvCommand::Put(args) => secret::put(&args, session),
        KvCommand::Patch(args) => secret::patch(&args, session),
        KvCommand::List(args) => secret::list(args, session),
        KvCommand::Delete(args) => versions::delete(&args, session),
        KvCommand::Undelete(args) => versions::act("undelete", &args, session),
        KvCommand::Destroy(args) => versions::act("destroy", &args, session),
        KvCommand::Rollback(args) => versions::rollback(&args, session),
        KvCommand::Metadata(command) => metadata::run(command, session),
    }
}
