//! Entities, groups and their aliases, as operators make, change, merge and delete them.

use serde_json::json;

use super::{log_in, made, text, with_bob};
use crate::support::{ROOT, TestServer};

#[test]
fn entities_are_made_found_changed_and_deleted() {
    let server = TestServer::dev();
    let body = r#"{"name":"Bob","metadata":{"team":"x"},"policies":["P1"]}"#;
    let id = made(&server, "identity/entity", body);
    server.root("POST", "identity/entity", r#"{"name":"bob","metadata":"team=y"}"#, 204);
    for path in [format!("identity/entity/id/{id}"), "identity/entity/name/BOB".to_owned()] {
        let data = &server.root("GET", &path, "", 200)["data"];
        assert_eq!((&data["id"], &data["policies"]), (&json!(id), &json!(["p1"])));
        assert_eq!(data["metadata"], json!({"team": "y"}));
        assert_eq!((&data["aliases"], &data["group_ids"]), (&json!([]), &json!([])));
    }
    let listed = server.root("LIST", "identity/entity/id", "", 200);
    assert_eq!(listed["data"]["keys"], json!([id]));
    assert_eq!(listed["data"]["key_info"][&id]["name"], "bob");
    for (body, found) in [
        (json!({"id": id}), true),
        (json!({"name": "bob"}), true),
        (json!({"name": "nope"}), false),
    ] {
        let (status, answer) =
            server.call("POST", "identity/lookup/entity", ROOT, &body.to_string());
        assert_eq!(status, if found { 200 } else { 204 }, "{body} {answer}");
    }
    let other = made(&server, "identity/entity", "{}");
    for (path, body, part) in [
        ("identity/lookup/entity", "{}", "query parameter not supplied"),
        ("identity/lookup/entity", r#"{"alias_name":"x"}"#, "alias_mount_accessor"),
        ("identity/entity/id/nope", "{}", "entity not found"),
        ("identity/entity", r#"{"policies":["root"]}"#, "root"),
        ("identity/entity", r#"{"metadata":5}"#, "metadata"),
        (&format!("identity/entity/id/{other}"), r#"{"name":"BOB"}"#, "already in use"),
    ] {
        let error = server.error("POST", path, ROOT, body, 400);
        assert!(error.contains(part), "{path} {body}: {error}");
    }
    server.root("DELETE", &format!("identity/entity/id/{id}"), "", 204);
    server.root("DELETE", "identity/entity/name/bob", "", 204);
    assert_eq!(server.call("GET", "identity/entity/name/bob", ROOT, "").0, 404);
    let body = json!({ "entity_ids": [other] }).to_string();
    server.root("POST", "identity/entity/batch-delete", &body, 204);
    assert_eq!(server.call("LIST", "identity/entity/id", ROOT, "").0, 404);
    assert_eq!(server.call("GET", "identity/nope", ROOT, "").0, 404);
    assert_eq!(server.call("LIST", "identity/entity/id", "", "").0, 403);
}

#[test]
fn aliases_move_and_entities_merge() {
    let (server, accessor) = with_bob();
    let (_, first) = log_in(&server);
    let target = made(&server, "identity/entity", r#"{"name":"t","policies":["p"]}"#);
    let body = json!({"from_entity_ids": [first], "to_entity_id": target}).to_string();
    server.root("POST", "identity/entity/merge", &body, 204);
    assert_eq!(log_in(&server).1, target);
    let shown = server.root("GET", &format!("identity/entity/id/{target}"), "", 200);
    assert_eq!(shown["data"]["merged_entity_ids"], json!([first]));
    let alias = &shown["data"]["aliases"][0];
    assert_eq!((&alias["name"], &alias["mount_type"]), (&json!("bob"), &json!("userpass")));
    assert_eq!(alias["mount_path"], "auth/up/");
    let alias = text(&alias["id"]);
    let other = made(&server, "identity/entity", r#"{"name":"o"}"#);
    let body = json!({"canonical_id": other}).to_string();
    let moved = format!("identity/entity-alias/id/{alias}");
    server.root("POST", &moved, &body, 200);
    assert_eq!(log_in(&server).1, other);
    assert_eq!(server.root("GET", &moved, "", 200)["data"]["canonical_id"], json!(other));
    let listed = server.root("LIST", "identity/entity-alias/id", "", 200);
    assert_eq!(listed["data"]["keys"], json!([alias]));
    for (body, part) in [
        (json!({"name": "x", "mount_accessor": "nope"}), "invalid mount accessor"),
        (json!({"name": "x"}), "must be provided"),
        (json!({"name": "x", "mount_accessor": accessor, "canonical_id": "no"}), "canonical ID"),
        (
            json!({"name": "x", "mount_accessor": accessor, "canonical_id": other}),
            "Alias already exists",
        ),
    ] {
        let error = server.error("POST", "identity/entity-alias", ROOT, &body.to_string(), 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    server.root("DELETE", &moved, "", 204);
    assert_ne!(log_in(&server).1, other);
    for (from, to, part) in [
        ("nope", other.as_str(), "merge from is invalid"),
        (&other, "nope", "merge to is invalid"),
        (&other, &other, "should not be present"),
    ] {
        let body = json!({"from_entity_ids": [from], "to_entity_id": to}).to_string();
        let error = server.error("POST", "identity/entity/merge", ROOT, &body, 400);
        assert!(error.contains(part), "{error}");
    }
}

/// A merge once gave the policies of what was merged away to the entity that stayed.
#[test]
fn a_merge_grants_nothing_and_keeps_one_alias_for_each_auth_method() {
    let (server, accessor) = with_bob();
    let entity = |name: &str, policy: &str| {
        let id = made(
            &server,
            "identity/entity",
            &json!({"name": name, "policies": [policy]}).to_string(),
        );
        let body = json!({"name": name, "mount_accessor": accessor, "canonical_id": id});
        let alias = made(&server, "identity/entity-alias", &body.to_string());
        (id, alias)
    };
    let ((stays, own), (goes, theirs)) = (entity("s", "a"), entity("g", "b"));
    let body = json!({"name": "in", "member_entity_ids": [goes]}).to_string();
    let group = made(&server, "identity/group", &body);
    let mut merge = json!({"from_entity_ids": [goes], "to_entity_id": stays});
    let (status, refused) = server.call("POST", "identity/entity/merge", ROOT, &merge.to_string());
    assert_eq!(status, 400);
    assert!(refused["errors"][0].as_str().unwrap().contains("same mount accessor"), "{refused}");
    assert_eq!(refused["data"][1]["alias_id"], json!(theirs));
    merge["conflicting_alias_ids_to_keep"] = json!([theirs]);
    server.root("POST", "identity/entity/merge", &merge.to_string(), 204);
    let shown = server.root("GET", &format!("identity/entity/id/{stays}"), "", 200)["data"].clone();
    assert_eq!(shown["policies"], json!(["a"]));
    assert_eq!(shown["group_ids"], json!([group]));
    assert_eq!(shown["aliases"].as_array().unwrap().len(), 1);
    assert_eq!(shown["aliases"][0]["id"], json!(theirs));
    assert_eq!(shown["aliases"][0]["merged_from_canonical_ids"], json!([goes]));
    assert_eq!(server.call("GET", &format!("identity/entity-alias/id/{own}"), ROOT, "").0, 404);
    server.root("GET", &format!("identity/persona/id/{theirs}"), "", 200);
}

#[test]
fn who_says_again_what_is_there_is_told_nothing() {
    let (server, accessor) = with_bob();
    let alias = json!({"name": "x", "mount_accessor": accessor}).to_string();
    let id = made(&server, "identity/entity-alias", &alias);
    server.root("POST", "identity/entity-alias", &alias, 204);
    let by_id = format!("identity/entity-alias/id/{id}");
    server.root("POST", &by_id, &alias, 204);
    server.root("POST", &by_id, r#"{"custom_metadata":{"a":"b"}}"#, 200);
    server.root("POST", &by_id, r#"{"custom_metadata":{"a":"b"}}"#, 204);
    server.root("POST", &by_id, &alias, 204);
    server.root("POST", "identity/entity-alias", &alias, 200);
    let group = made(&server, "identity/group", r#"{"name":"g"}"#);
    for path in ["identity/group", "identity/group/name/g", &format!("identity/group/id/{group}")] {
        server.root("POST", path, r#"{"name":"g","policies":["p"]}"#, 204);
    }
    let body = json!({"id": group, "name": "g"}).to_string();
    let refused = server.error("POST", "identity/lookup/group", ROOT, &body, 400);
    assert!(refused.contains("query parameter conflict"), "{refused}");
}

#[test]
fn groups_are_internal_or_external() {
    let (server, accessor) = with_bob();
    let entity = made(&server, "identity/entity", "{}");
    let external = made(&server, "identity/group", r#"{"name":"e","type":"external"}"#);
    let internal = made(&server, "identity/group", r#"{"name":"i"}"#);
    for (body, part) in [
        (json!({"type": "odd"}), "invalid group type"),
        (json!({"member_entity_ids": ["nope"]}), "invalid entity ID"),
        (json!({"member_group_ids": ["nope"]}), "invalid member group ID"),
        (json!({"type": "external", "member_entity_ids": [entity]}), "set manually"),
        (json!({"id": internal, "type": "external"}), "cannot be changed"),
    ] {
        let error = server.error("POST", "identity/group", ROOT, &body.to_string(), 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    let alias = |group: &str, name: &str| {
        json!({"name": name, "canonical_id": group, "mount_accessor": accessor}).to_string()
    };
    let error = server.error("POST", "identity/group-alias", ROOT, &alias(&internal, "x"), 400);
    assert!(error.contains("internal group"), "{error}");
    let id = made(&server, "identity/group-alias", &alias(&external, "x"));
    let shown = server.root("GET", "identity/group/name/e", "", 200);
    assert_eq!(shown["data"]["alias"]["id"], json!(id));
    let body = json!({"alias_name": "x", "alias_mount_accessor": accessor}).to_string();
    let found = server.root("POST", "identity/lookup/group", &body, 200);
    assert_eq!(found["data"]["id"], json!(external));
    let shown = server.root("GET", &format!("identity/group-alias/id/{id}"), "", 200);
    assert_eq!(shown["data"]["canonical_id"], json!(external));
    server.root("DELETE", &format!("identity/group-alias/id/{id}"), "", 204);
    assert_eq!(server.call("LIST", "identity/group-alias/id", ROOT, "").0, 404);

    // Without a group, one is made.
    let mut body = json!({ "name": "y", "mount_accessor": accessor });
    let new = server.root("POST", "identity/group-alias", &body.to_string(), 200)["data"].clone();
    let group = format!("identity/group/id/{}", text(&new["canonical_id"]));
    let shown = server.root("GET", &group, "", 200)["data"].clone();
    assert_eq!((&shown["type"], &shown["alias"]["id"]), (&json!("external"), &new["id"]));
    server.error("POST", "identity/group-alias", ROOT, &body.to_string(), 400);
    body["id"] = new["id"].clone();
    body["name"] = json!("z");
    let changed = server.root("POST", "identity/group-alias", &body.to_string(), 200);
    assert_eq!(changed["data"], new);
    assert_eq!(server.root("GET", &group, "", 200)["data"]["alias"]["name"], "z");
    server.root("DELETE", &group, "", 204);
    let listed = server.root("LIST", "identity/group/name", "", 200);
    assert_eq!(listed["data"]["keys"], json!(["e", "i"]));
}
