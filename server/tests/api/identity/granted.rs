//! What identity adds to the rights of a token.

use serde_json::json;

use super::{log_in, made, policy, with_bob};
use crate::support::ROOT;

#[test]
fn policies_of_the_entity_and_its_groups_count_at_once() {
    let (server, _) = with_bob();
    server.root("POST", "sys/mounts/kv", r#"{"type":"kv"}"#, 204);
    for path in ["a", "b", "c"] {
        server.root("POST", &format!("kv/{path}"), r#"{"x":"y"}"#, 204);
        policy(&server, path, &format!(r#"path "kv/{path}" {{ capabilities = ["read"] }}"#));
    }
    let (token, entity) = log_in(&server);
    let reads = |path: &str| server.call("GET", &format!("kv/{path}"), &token, "").0 == 200;
    assert!(!reads("a") && !reads("b") && !reads("c"));
    server.root("POST", &format!("identity/entity/id/{entity}"), r#"{"policies":["a"]}"#, 204);
    let body = json!({"name": "inner", "policies": ["b"], "member_entity_ids": [entity]});
    let inner = made(&server, "identity/group", &body.to_string());
    let body = json!({"name": "outer", "policies": ["c"], "member_group_ids": [inner]});
    let outer = made(&server, "identity/group", &body.to_string());
    assert!(reads("a") && reads("b") && reads("c"));
    let own = server.call("GET", "auth/token/lookup-self", &token, "").1;
    assert_eq!(own["data"]["identity_policies"], json!(["a", "b", "c"]));
    assert_eq!(own["data"]["policies"], json!(["default"]));
    let shown = server.root("GET", &format!("identity/entity/id/{entity}"), "", 200);
    assert_eq!(shown["data"]["direct_group_ids"], json!([inner]));
    assert_eq!(shown["data"]["inherited_group_ids"], json!([outer]));
    let (_, again) = server.call("POST", "auth/up/login/bob", "", r#"{"password":"pw"}"#);
    assert_eq!(again["auth"]["policies"], json!(["a", "b", "c", "default"]));
    assert_eq!(again["auth"]["identity_policies"], json!(["a", "b", "c"]));

    let body = json!({"member_group_ids": [outer]}).to_string();
    let error = server.error("POST", &format!("identity/group/id/{inner}"), ROOT, &body, 400);
    assert!(error.contains("cyclic"), "{error}");
    server.root("DELETE", "identity/group/name/inner", "", 204);
    assert!(reads("a") && !reads("b") && !reads("c"));
    server.root("POST", &format!("identity/entity/id/{entity}"), r#"{"disabled":true}"#, 204);
    assert!(!reads("a"), "a disabled entity may do nothing");
    assert_eq!(server.call("POST", "auth/up/login/bob", "", r#"{"password":"pw"}"#).0, 403);
}

#[test]
fn templates_follow_the_caller() {
    let (server, accessor) = with_bob();
    server.root("POST", "sys/mounts/kv", r#"{"type":"kv"}"#, 204);
    let rules = "path \"kv/{{identity.entity.id}}/*\" { capabilities = [\"create\", \"update\"] }
         path \"kv/team/{{identity.entity.metadata.team}}\" { capabilities = [\"create\", \"update\"] }
         path \"kv/by/{{identity.entity.aliases.ACC.name}}\" { capabilities = [\"create\", \"update\"] }
         path \"kv/in/{{identity.groups.names.g.id}}\" { capabilities = [\"create\", \"update\"] }"
        .replace("ACC", &accessor);
    policy(&server, "own", &rules);
    server.root("POST", "auth/up/users/bob", r#"{"token_policies":"own"}"#, 204);
    let (token, entity) = log_in(&server);
    let writes = |path: &str| server.call("POST", &format!("kv/{path}"), &token, r#"{"x":1}"#).0;
    assert_eq!(writes(&format!("{entity}/x")), 204);
    assert_eq!(writes("other/x"), 403);
    assert_eq!([writes("by/bob"), writes("by/eve")], [204, 403]);
    assert_eq!(writes("team/x"), 403);
    let path = format!("identity/entity/id/{entity}");
    server.root("POST", &path, r#"{"metadata":{"team":"x"}}"#, 204);
    assert_eq!([writes("team/x"), writes("team/y")], [204, 403]);
    server.root("POST", &path, r#"{"metadata":{"team":"*"}}"#, 204);
    assert_eq!(writes("team/x"), 403, "a value must not widen a policy");
    let body = json!({"name": "g", "member_entity_ids": [entity]});
    let group = made(&server, "identity/group", &body.to_string());
    assert_eq!(writes(&format!("in/{group}")), 204);
    // The default policy lets a token see its own entity.
    assert_eq!(server.call("GET", &path, &token, "").0, 200);
    assert_eq!(server.call("GET", "identity/entity/id/other", &token, "").0, 403);
}

#[test]
fn the_resultant_acl_has_what_identity_adds() {
    let (server, _) = with_bob();
    let (token, entity) = log_in(&server);
    let policy = r#"path \"kv/{{identity.entity.id}}/*\" { capabilities = [\"read\"] }
        path \"kv/{{identity.entity.metadata.none}}\" { capabilities = [\"read\"] }"#
        .replace('\n', " ");
    server.root("POST", "sys/policies/acl/mine", &format!(r#"{{"policy":"{policy}"}}"#), 204);
    let body = json!({"policies": ["mine"]}).to_string();
    server.root("POST", &format!("identity/entity/id/{entity}"), &body, 204);
    let (_, acl) = server.call("GET", "sys/internal/ui/resultant-acl", &token, "");
    let glob = &acl["data"]["glob_paths"];
    assert_eq!(glob[format!("kv/{entity}/")]["capabilities"], json!(["read"]), "{acl}");
    assert!(!acl.to_string().contains("{{"), "{acl}");
}
