//! What `identity/` answers.

use super::{aliases, entities, groups, merge, oidc, takes};
use crate::handler::CoreRoute;
use crate::logical::{Method, Operation};

/// All of them.
pub static ROUTES: &[CoreRoute] = &{
    const OWN_LEN: usize = OWN.len();
    let mut all = [OWN[0]; OWN_LEN + oidc::ROUTES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < OWN_LEN { OWN[at] } else { oidc::ROUTES[at - OWN_LEN] };
        at += 1;
    }
    all
};

/// Reads are served locally, changes by the primary.
const OWN: &[CoreRoute] = &[
    CoreRoute::new(
        "entity",
        "Make or change an entity",
        &[Method::primary(Operation::Write, entities::write)],
    )
    .takes(takes::ENTITY),
    CoreRoute::new(
        "entity/merge",
        "Merge entities into one",
        &[Method::primary(Operation::Write, merge::merge)],
    )
    .takes(takes::ENTITY_MERGE),
    CoreRoute::new(
        "entity/batch-delete",
        "Delete entities by their ids",
        &[Method::primary(Operation::Write, entities::delete_many)],
    )
    .takes(takes::ENTITY_BATCH_DELETE),
    CoreRoute::new(
        "entity/id",
        "List the ids of entities",
        &[Method::local(Operation::List, entities::list_ids)],
    )
    .takes(&[]),
    CoreRoute::new(
        "entity/id/{id}",
        "Show, change or delete an entity by its id",
        &[
            Method::local(Operation::Read, entities::read_by_id),
            Method::primary(Operation::Write, entities::write_by_id),
            Method::primary(Operation::Delete, entities::delete_by_id),
        ],
    )
    .takes(takes::ENTITY_ID),
    CoreRoute::new(
        "entity/name",
        "List the names of entities",
        &[Method::local(Operation::List, entities::list_names)],
    )
    .takes(&[]),
    CoreRoute::new(
        "entity/name/{name}",
        "Show, make, change or delete an entity by its name",
        &[
            Method::local(Operation::Read, entities::read_by_name),
            Method::primary(Operation::Write, entities::write_by_name),
            Method::primary(Operation::Delete, entities::delete_by_name),
        ],
    )
    .takes(takes::ENTITY_NAME),
    CoreRoute::new(
        "lookup/entity",
        "Find an entity by id, name or alias",
        &[Method::local(Operation::Write, entities::lookup)],
    )
    .takes(takes::LOOKUP_ENTITY),
    CoreRoute::new(
        "entity-alias",
        "Make or change an alias of an entity",
        &[Method::primary(Operation::Write, aliases::write_entity)],
    )
    .takes(takes::ENTITY_ALIAS),
    CoreRoute::new(
        "entity-alias/id",
        "List the ids of aliases of entities",
        &[Method::local(Operation::List, aliases::list_entity)],
    )
    .takes(&[]),
    CoreRoute::new(
        "entity-alias/id/{id}",
        "Show, change or delete an alias of an entity",
        &[
            Method::local(Operation::Read, aliases::read_entity),
            Method::primary(Operation::Write, aliases::write_entity),
            Method::primary(Operation::Delete, aliases::delete_entity),
        ],
    )
    .takes(takes::ENTITY_ALIAS_ID),
    CoreRoute::new(
        "group",
        "Make or change a group",
        &[Method::primary(Operation::Write, groups::write)],
    )
    .takes(takes::GROUP),
    CoreRoute::new(
        "group/id",
        "List the ids of groups",
        &[Method::local(Operation::List, groups::list_ids)],
    )
    .takes(&[]),
    CoreRoute::new(
        "group/id/{id}",
        "Show, change or delete a group by its id",
        &[
            Method::local(Operation::Read, groups::read_by_id),
            Method::primary(Operation::Write, groups::write_by_id),
            Method::primary(Operation::Delete, groups::delete_by_id),
        ],
    )
    .takes(takes::GROUP_ID),
    CoreRoute::new(
        "group/name",
        "List the names of groups",
        &[Method::local(Operation::List, groups::list_names)],
    )
    .takes(&[]),
    CoreRoute::new(
        "group/name/{name}",
        "Show, make, change or delete a group by its name",
        &[
            Method::local(Operation::Read, groups::read_by_name),
            Method::primary(Operation::Write, groups::write_by_name),
            Method::primary(Operation::Delete, groups::delete_by_name),
        ],
    )
    .takes(takes::GROUP_NAME),
    CoreRoute::new(
        "lookup/group",
        "Find a group by id, name or alias",
        &[Method::local(Operation::Write, groups::lookup)],
    )
    .takes(takes::LOOKUP_ENTITY),
    CoreRoute::new(
        "group-alias",
        "Make or change an alias of a group",
        &[Method::primary(Operation::Write, aliases::write_group)],
    )
    .takes(takes::GROUP_ALIAS),
    CoreRoute::new(
        "group-alias/id",
        "List the ids of aliases of groups",
        &[Method::local(Operation::List, aliases::list_group)],
    )
    .takes(&[]),
    CoreRoute::new(
        "group-alias/id/{id}",
        "Show, change or delete an alias of a group",
        &[
            Method::local(Operation::Read, aliases::read_group),
            Method::primary(Operation::Write, aliases::write_group),
            Method::primary(Operation::Delete, aliases::delete_group),
        ],
    )
    .takes(takes::GROUP_ALIAS_ID),
    CoreRoute::new(
        "alias",
        "Old form of entity-alias",
        &[Method::primary(Operation::Write, aliases::write_entity)],
    )
    .takes(takes::ENTITY_ALIAS),
    CoreRoute::new(
        "alias/id",
        "Old form of entity-alias/id",
        &[Method::local(Operation::List, aliases::list_entity)],
    )
    .takes(&[]),
    CoreRoute::new(
        "alias/id/{id}",
        "Old form of entity-alias/id/<id>",
        &[
            Method::local(Operation::Read, aliases::read_entity),
            Method::primary(Operation::Write, aliases::write_entity),
            Method::primary(Operation::Delete, aliases::delete_entity),
        ],
    )
    .takes(takes::ENTITY_ALIAS_ID),
    CoreRoute::new(
        "persona",
        "Old form of entity-alias",
        &[Method::primary(Operation::Write, aliases::write_entity)],
    )
    .takes(takes::ENTITY_ALIAS),
    CoreRoute::new(
        "persona/id",
        "Old form of entity-alias/id",
        &[Method::local(Operation::List, aliases::list_entity)],
    )
    .takes(&[]),
    CoreRoute::new(
        "persona/id/{id}",
        "Old form of entity-alias/id/<id>",
        &[
            Method::local(Operation::Read, aliases::read_entity),
            Method::primary(Operation::Write, aliases::write_entity),
            Method::primary(Operation::Delete, aliases::delete_entity),
        ],
    )
    .takes(takes::ENTITY_ALIAS_ID),
];
