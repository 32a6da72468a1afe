//! `sys/internal/specs/openapi`.

use serde_json::{Map, Value, json};

use super::{known, mounts, parameters, paths, template};
use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::logical::{
    Access, ApiResult, Described, Field, Flag, Kind, Method, Operation, Response, Takes,
};

const INTERNAL_SPECS_OPENAPI: &[Field] = &[
    Field::text("context", "Context"),
    Field::flag("generic_mount_paths", "Whether mount paths become parameters"),
];

/// The route.
pub static ROUTES: &[CoreRoute] = &[CoreRoute::new(
    "internal/specs/openapi",
    "Describe the API of this server as an OpenAPI document",
    &[Method::local(Operation::Read, read), Method::local(Operation::Write, read)],
)
.takes(INTERNAL_SPECS_OPENAPI)];

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Body {
    generic_mount_paths: Flag,
}

fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let asked = core.call.query("generic_mount_paths");
    let generic = body.generic_mount_paths.0 || matches!(asked, Some("true" | "1"));
    let mut all = Map::new();
    for mount in mounts(session)?.iter().filter(|m| known(m)) {
        let fixed = matches!(mount.info.path.as_str(), "sys/" | "cubbyhole/" | "auth/token/");
        let (prefix, own) = if generic && !fixed {
            let auth = if mount.info.path.starts_with("auth/") { "auth/" } else { "" };
            let name = format!("{}_mount_path", mount.entry.kind);
            (format!("{auth}{{{name}}}/"), Some(name))
        } else {
            (mount.info.path.clone(), None)
        };
        let tag = tag(&mount.info.path);
        for path in paths(mount.target) {
            let key = format!("/{prefix}{}", template(path.pattern));
            let item = item(&path, own.as_deref(), tag, &key);
            all.entry(key).and_modify(|old| merge(old, &item)).or_insert(item);
        }
    }
    Response::bare(&document(&Value::Object(all)))
}

/// An `OpenAPI` document of these paths.
pub fn document(paths: &Value) -> Value {
    json!({
        "openapi": "3.0.2",
        "info": {
            "title": "Strongroom API",
            "description": "The Vault HTTP API as this server answers it; every path is below `/v1/`.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "servers": [{ "url": "/v1" }],
        "paths": paths,
        "components": { "schemas": {
            "Errors": {
                "type": "object",
                "properties": { "errors": { "type": "array", "items": { "type": "string" } } },
            },
        } },
    })
}

fn tag(mount_path: &str) -> &'static str {
    match mount_path {
        "sys/" => "system",
        path if path.starts_with("auth/") => "auth",
        _ => "secrets",
    }
}

/// One path with its verbs. `own` is a parameter in front of those of the pattern.
pub(super) fn item(path: &Described, own: Option<&str>, tag: &str, key: &str) -> Value {
    let mut item = Map::new();
    item.insert("description".to_owned(), path.summary.into());
    let names: Vec<Value> = own
        .into_iter()
        .chain(parameters(path.pattern))
        .map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
        })
        .collect();
    if !names.is_empty() {
        item.insert("parameters".to_owned(), names.into());
    }
    match path.access {
        Access::Sudo => item.insert("x-vault-sudo".to_owned(), true.into()),
        Access::Public | Access::Always => {
            item.insert("x-vault-unauthenticated".to_owned(), true.into())
        }
        Access::Token => None,
    };
    if path.creates {
        item.insert("x-vault-createSupported".to_owned(), true.into());
    }
    for op in &path.ops {
        let list_too = path.ops.contains(&Operation::List);
        let (verb, operation) = operation(*op, path, tag, key, list_too);
        // GET stands for LIST where a path has both.
        item.entry(verb.to_owned()).or_insert(operation);
    }
    Value::Object(item)
}

fn operation(
    op: Operation,
    path: &Described,
    tag: &str,
    key: &str,
    list_too: bool,
) -> (&'static str, Value) {
    let (verb, word) = match op {
        Operation::Read => ("get", "read"),
        Operation::List => ("get", "list"),
        Operation::Scan => ("get", "scan"),
        Operation::Write => ("post", "write"),
        Operation::Patch => ("patch", "patch"),
        Operation::Delete => ("delete", "delete"),
        Operation::Head => ("head", "head"),
    };
    let mut operation = json!({
        "summary": path.summary,
        "operationId": id(word, key),
        "tags": [tag],
        "responses": {
            "200": { "description": "OK" },
            "204": { "description": "OK, and nothing to say" },
            "400": wrong("The call is not as it has to be"),
            "403": wrong("No token, or one that may not do this"),
            "404": wrong("Nothing there"),
            "405": wrong("Not with this verb"),
            "413": wrong("Too much"),
            "415": wrong("Not with this type of content"),
            "429": wrong("Too often"),
            "503": wrong("Sealed, or not ready"),
        },
    });
    if path.access == Access::Always {
        // Health answers as its query says.
        operation["responses"]["default"] = wrong("Not ready, or what the client asked for");
    }
    if path.pattern.contains("tidy") {
        operation["responses"]["202"] = json!({ "description": "Begun" });
    }
    if verb == "get" && list_too {
        let only = op == Operation::List && !path.ops.contains(&Operation::Read);
        operation["parameters"] = json!([{
            "name": "list",
            "description": "`true` lists",
            "in": "query",
            "required": only,
            "schema": { "type": "string", "enum": ["true"] },
        }]);
    }
    if verb == "get" {
        let parameters = queries(path);
        match operation["parameters"].as_array_mut() {
            Some(list) => list.extend(parameters),
            None => operation["parameters"] = parameters.into(),
        }
    }
    if matches!(op, Operation::Write | Operation::Patch) {
        let kind = match op {
            Operation::Patch => "application/merge-patch+json",
            _ => "application/json",
        };
        operation["requestBody"] = json!({ "content": { kind: { "schema": body(path) } } });
    }
    (verb, operation)
}

/// The query parameters of what reads and lists.
fn queries(path: &Described) -> Vec<Value> {
    let Takes::Only(fields) = path.takes else { return Vec::new() };
    let parameter = |field: &Field| {
        json!({
            "name": field.name,
            "description": field.about,
            "in": "query",
            "schema": schema(field.kind),
        })
    };
    fields.iter().filter(|f| f.in_query).map(parameter).collect()
}

/// The schema of a body.
fn body(path: &Described) -> Value {
    let Takes::Only(fields) = path.takes else { return json!({ "type": "object" }) };
    let properties: Map<String, Value> = fields
        .iter()
        .filter(|f| !f.in_query)
        .map(|field| {
            let mut schema = schema(field.kind);
            schema["description"] = field.about.into();
            (field.name.to_owned(), schema)
        })
        .collect();
    json!({ "type": "object", "properties": properties })
}

/// The plainest of the forms that a field is taken in.
fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Integer => json!({ "type": "integer" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Seconds => json!({ "type": "integer", "format": "seconds" }),
        Kind::Words => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Pairs => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        Kind::Object => json!({ "type": "object" }),
        Kind::Objects => json!({ "type": "array", "items": { "type": "object" } }),
        Kind::Any => json!({}),
    }
}

/// An error of that meaning.
fn wrong(meaning: &str) -> Value {
    json!({
        "description": meaning,
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Errors" } } },
    })
}

/// Unique among all verbs of all paths.
fn id(word: &str, key: &str) -> String {
    let words = key.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    words.fold(word.to_owned(), |id, next| id + "-" + next)
}

/// Two routes of one template: the verbs of both.
fn merge(old: &mut Value, new: &Value) {
    let (Some(old), Some(new)) = (old.as_object_mut(), new.as_object()) else { return };
    for (name, value) in new {
        old.entry(name.clone()).or_insert_with(|| value.clone());
    }
}
