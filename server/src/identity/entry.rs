//! Entities, their aliases, and groups, as they are stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::stamp::Stamp;

/// Text by name.
pub type Metadata = BTreeMap<String, String>;

/// Someone, whichever way they log in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entity {
    /// A uuid.
    pub id: String,
    /// Unique but for case.
    pub name: String,
    /// For templates.
    pub metadata: Metadata,
    /// Added to those of the token.
    pub policies: Vec<String>,
    /// Its tokens may do nothing.
    pub disabled: bool,
    /// Who it is for each auth method; at most one a mount.
    pub aliases: Vec<Alias>,
    /// Entities that went into this one.
    pub merged: Vec<String>,
    /// When it was made.
    pub created: Stamp,
    /// When it was changed.
    pub updated: Stamp,
}

/// The name of an entity or of an external group for one auth method.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Alias {
    /// A uuid.
    pub id: String,
    /// Accessor of the auth mount.
    pub mount_accessor: String,
    /// The name there.
    pub name: String,
    /// As the last login gave it.
    pub metadata: Metadata,
    /// As the operator gave it.
    pub custom_metadata: Metadata,
    /// Ids of the entities that were merged away and had it.
    #[serde(default)]
    pub merged_from: Vec<String>,
    /// When it was made.
    pub created: Stamp,
    /// When it was changed.
    pub updated: Stamp,
}

/// A group of entities and groups.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    /// A uuid.
    pub id: String,
    /// Unique but for case.
    pub name: String,
    /// Logins decide who is in it, by its alias.
    pub external: bool,
    /// For templates.
    pub metadata: Metadata,
    /// Added to those of its members.
    pub policies: Vec<String>,
    /// Entities in it.
    pub member_entity_ids: Vec<String>,
    /// Groups in it.
    pub member_group_ids: Vec<String>,
    /// Only of an external group.
    pub alias: Option<Alias>,
    /// Counts changes, from 1.
    pub modify_index: u64,
    /// When it was made.
    pub created: Stamp,
    /// When it was changed.
    pub updated: Stamp,
}

impl Entity {
    /// A new one without aliases. An empty name becomes `entity_<8 hex>`.
    pub fn new(name: &str, now: Stamp) -> Self {
        let name = match name {
            "" => format!("entity_{:08x}", Uuid::new_v4().as_fields().0),
            name => name.to_owned(),
        };
        Self {
            id: Uuid::new_v4().to_string(),
            name,
            metadata: Metadata::new(),
            policies: Vec::new(),
            disabled: false,
            aliases: Vec::new(),
            merged: Vec::new(),
            created: now,
            updated: now,
        }
    }
}

impl Group {
    /// A new one without members. An empty name becomes `group_<8 hex>`.
    pub fn new(name: &str, external: bool, now: Stamp) -> Self {
        let name = match name {
            "" => format!("group_{:08x}", Uuid::new_v4().as_fields().0),
            name => name.to_owned(),
        };
        Self {
            id: Uuid::new_v4().to_string(),
            name,
            external,
            metadata: Metadata::new(),
            policies: Vec::new(),
            member_entity_ids: Vec::new(),
            member_group_ids: Vec::new(),
            alias: None,
            modify_index: 1,
            created: now,
            updated: now,
        }
    }
}

impl Alias {
    /// A new one.
    pub fn new(mount_accessor: &str, name: &str, now: Stamp) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            mount_accessor: mount_accessor.to_owned(),
            name: name.to_owned(),
            metadata: Metadata::new(),
            custom_metadata: Metadata::new(),
            merged_from: Vec::new(),
            created: now,
            updated: now,
        }
    }
}
