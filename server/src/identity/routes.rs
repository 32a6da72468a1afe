//! What `identity/` answers.

use super::{aliases, entities, groups};
use crate::logical::{Access, Method, Operation, Route};
use crate::sys::CoreHandler;

/// Reads are served locally, changes by the primary.
pub static ROUTES: &[Route<CoreHandler>] = &[
    route(
        "entity",
        "Make or change an entity",
        &[Method::primary(Operation::Write, entities::write)],
    ),
    route(
        "entity/merge",
        "Merge entities into one",
        &[Method::primary(Operation::Write, entities::merge)],
    ),
    route(
        "entity/batch-delete",
        "Delete entities by their ids",
        &[Method::primary(Operation::Write, entities::delete_many)],
    ),
    route(
        "entity/id",
        "List the ids of entities",
        &[Method::local(Operation::List, entities::list_ids)],
    ),
    route(
        "entity/id/{id}",
        "Show, change or delete an entity by its id",
        &[
            Method::local(Operation::Read, entities::read_by_id),
            Method::primary(Operation::Write, entities::write_by_id),
            Method::primary(Operation::Delete, entities::delete_by_id),
        ],
    ),
    route(
        "entity/name",
        "List the names of entities",
        &[Method::local(Operation::List, entities::list_names)],
    ),
    route(
        "entity/name/{name}",
        "Show, make, change or delete an entity by its name",
        &[
            Method::local(Operation::Read, entities::read_by_name),
            Method::primary(Operation::Write, entities::write_by_name),
            Method::primary(Operation::Delete, entities::delete_by_name),
        ],
    ),
    route(
        "lookup/entity",
        "Find an entity by id, name or alias",
        &[Method::local(Operation::Write, entities::lookup)],
    ),
    route(
        "entity-alias",
        "Make or change an alias of an entity",
        &[Method::primary(Operation::Write, aliases::write_entity)],
    ),
    route(
        "entity-alias/id",
        "List the ids of aliases of entities",
        &[Method::local(Operation::List, aliases::list_entity)],
    ),
    route(
        "entity-alias/id/{id}",
        "Show, change or delete an alias of an entity",
        &[
            Method::local(Operation::Read, aliases::read_entity),
            Method::primary(Operation::Write, aliases::write_entity),
            Method::primary(Operation::Delete, aliases::delete_entity),
        ],
    ),
    route("group", "Make or change a group", &[Method::primary(Operation::Write, groups::write)]),
    route(
        "group/id",
        "List the ids of groups",
        &[Method::local(Operation::List, groups::list_ids)],
    ),
    route(
        "group/id/{id}",
        "Show, change or delete a group by its id",
        &[
            Method::local(Operation::Read, groups::read_by_id),
            Method::primary(Operation::Write, groups::write_by_id),
            Method::primary(Operation::Delete, groups::delete_by_id),
        ],
    ),
    route(
        "group/name",
        "List the names of groups",
        &[Method::local(Operation::List, groups::list_names)],
    ),
    route(
        "group/name/{name}",
        "Show, make, change or delete a group by its name",
        &[
            Method::local(Operation::Read, groups::read_by_name),
            Method::primary(Operation::Write, groups::write_by_name),
            Method::primary(Operation::Delete, groups::delete_by_name),
        ],
    ),
    route(
        "lookup/group",
        "Find a group by id, name or alias",
        &[Method::local(Operation::Write, groups::lookup)],
    ),
    route(
        "group-alias",
        "Make or change an alias of a group",
        &[Method::primary(Operation::Write, aliases::write_group)],
    ),
    route(
        "group-alias/id",
        "List the ids of aliases of groups",
        &[Method::local(Operation::List, aliases::list_group)],
    ),
    route(
        "group-alias/id/{id}",
        "Show, change or delete an alias of a group",
        &[
            Method::local(Operation::Read, aliases::read_group),
            Method::primary(Operation::Write, aliases::write_group),
            Method::primary(Operation::Delete, aliases::delete_group),
        ],
    ),
];

const fn route(
    pattern: &'static str,
    summary: &'static str,
    methods: &'static [Method<CoreHandler>],
) -> Route<CoreHandler> {
    Route { pattern, summary, access: Access::Token, exists: None, methods }
}
