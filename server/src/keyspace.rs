//! The keyspaces of a cluster and what lives where.
//!
//! | keyspace | class | entries |
//! |---|---|---|
//! | [`CORE`] | replicated | `keyring` (sealed by the root key), `mounts`, `auth`, `policy/<name>`, `token-role/<name>`, `audit` |
//! | [`LOCAL`] | local | `local-mounts`, `local-auth`, tokens, wrapped answers, `audit` |
//! | [`CUBBYHOLE`] | local | `<token storage id>/<path>` |
//! | [`IDENTITY`] | replicated | entities, groups and their indexes |
//! | [`NODE`] | ignored | `seal` (plain JSON: shares, threshold, wrapped root key), `cluster`, replication state and certificates |
//! | one per mount, its id is the mount's uuid | replicated or local | the engine's |

use strongroom_storage::KeyspaceId;

/// Shared configuration: keyring, mount tables, policies.
pub const CORE: KeyspaceId = well_known(1);
/// This cluster's own tokens and local mounts.
pub const LOCAL: KeyspaceId = well_known(2);
/// This cluster's cubbyholes.
pub const CUBBYHOLE: KeyspaceId = well_known(3);
/// This cluster's seal, addresses, certificates and replication state; never shipped to anyone.
pub const NODE: KeyspaceId = well_known(4);

/// Who is behind the tokens of all clusters.
pub const IDENTITY: KeyspaceId = well_known(5);

/// Ids of the form 00..0n cannot collide with random (version 4) uuids of mounts.
const fn well_known(n: u8) -> KeyspaceId {
    let mut id = [0; 16];
    id[15] = n;
    KeyspaceId(id)
}
