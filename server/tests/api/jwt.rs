//! `auth/jwt`, with keys that stand in its configuration.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

/// Someone who signs tokens.
struct Issuer {
    key: KeyPair,
}

impl Issuer {
    fn new() -> Self {
        Self { key: KeyPair::generate().unwrap() }
    }

    /// The usual claims with others in their place; `null` takes one away.
    fn token(&self, more: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": "me", "sub": "bob", "aud": "app", "iat": now, "exp": now + 300,
            "groups": ["g1", "g2"], "team": {"name": "red"},
        });
        let all = claims.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        all.retain(|_, value| !value.is_null());
        let key = EncodingKey::from_ec_der(&self.key.serialize_der());
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap()
    }
}

/// With the method enabled and configured.
fn configured(issuer: &Issuer) -> TestServer {
    let server = TestServer::dev();
    server.root("POST", "sys/auth/jwt", r#"{"type":"jwt"}"#, 204);
    let key = issuer.key.public_key_pem();
    let config = json!({"jwt_validation_pubkeys": key, "bound_issuer": "me"});
    server.root("POST", "auth/jwt/config", &config.to_string(), 204);
    server
}

/// Makes the role `dev` anew.
fn role(server: &TestServer, more: &Value) {
    server.root("DELETE", "auth/jwt/role/dev", "", 204);
    let mut body = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["app"]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.root("POST", "auth/jwt/role/Dev", &body.to_string(), 204);
}

fn login(server: &TestServer, token: &str) -> (u16, Value) {
    let body = json!({"role": "dev", "jwt": token});
    server.call("POST", "auth/jwt/login", "", &body.to_string())
}

fn refused(server: &TestServer, token: &str) -> String {
    let (status, answer) = login(server, token);
    assert_eq!(status, 400, "{answer}");
    answer["errors"][0].as_str().unwrap().to_owned()
}

#[test]
fn a_signed_token_logs_in() {
    let issuer = Issuer::new();
    let server = configured(&issuer);
    role(
        &server,
        &json!({
            "token_policies": "w", "token_ttl": 600, "groups_claim": "groups",
            "claim_mappings": {"/team/name": "team", "none": "x"},
        }),
    );
    let (status, made) = login(&server, &issuer.token(&json!({})));
    assert_eq!(status, 200, "{made}");
    let auth = &made["auth"];
    assert_eq!(
        (&auth["policies"], &auth["lease_duration"]),
        (&json!(["default", "w"]), &json!(600))
    );
    assert_eq!(auth["metadata"], json!({"role": "dev", "team": "red"}));
    let token = auth["client_token"].as_str().unwrap();
    let (_, shown) = server.call("GET", "auth/token/lookup-self", token, "");
    assert_eq!(shown["data"]["display_name"], "jwt-bob");
    let path = format!("identity/entity/id/{}", auth["entity_id"].as_str().unwrap());
    let alias = &server.root("GET", &path, "", 200)["data"]["aliases"][0];
    assert_eq!((&alias["name"], &alias["metadata"]["team"]), (&json!("bob"), &json!("red")));

    let renew = || server.call("POST", "auth/token/renew-self", token, "");
    let change = json!({"role_type": "jwt", "token_policies": "w,x", "token_ttl": 60});
    server.root("POST", "auth/jwt/role/dev", &change.to_string(), 204);
    assert_eq!(renew().1["auth"]["lease_duration"], 60);
    server.root("DELETE", "auth/jwt/role/dev", "", 204);
    let (status, answer) = renew();
    assert_eq!(status, 400, "{answer}");
    assert!(answer.to_string().contains("does not exist during renewal"), "{answer}");
}

#[test]
fn groups_of_the_token_become_external_groups() {
    let issuer = Issuer::new();
    let server = configured(&issuer);
    role(&server, &json!({"groups_claim": "groups"}));
    let group = json!({"name": "ops", "type": "external", "policies": ["ops"]}).to_string();
    let group = server.root("POST", "identity/group", &group, 200);
    let mounts = server.root("GET", "sys/auth", "", 200);
    let alias = json!({
        "name": "g2", "canonical_id": group["data"]["id"],
        "mount_accessor": mounts["data"]["jwt/"]["accessor"],
    });
    server.root("POST", "identity/group-alias", &alias.to_string(), 200);
    let policies = |more: &Value| login(&server, &issuer.token(more)).1["auth"]["policies"].clone();
    assert_eq!(policies(&json!({})), json!(["default", "ops"]));
    assert_eq!(policies(&json!({"groups": ["g1"]})), json!(["default"]));
    assert!(refused(&server, &issuer.token(&json!({"groups": null}))).contains("not found"));
    assert!(
        refused(&server, &issuer.token(&json!({"groups": [5]}))).contains("could not be parsed")
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let issuer = Issuer::new();
    let server = configured(&issuer);
    role(&server, &json!({"bound_claims": {"/team/name": ["red", "blue"]}}));
    let prefix = "error validating token: ";
    for (more, want) in [
        (json!({"iss": "you"}), format!("{prefix}invalid issuer (iss) claim")),
        (json!({"aud": "x"}), format!("{prefix}invalid audience (aud) claim")),
        (json!({"exp": 5}), format!("{prefix}invalid expiration time (exp) claim")),
        (json!({"exp": null, "iat": null}), format!("{prefix}no issued at (iat)")),
        (json!({"sub": null}), "claim \"sub\" not found in token".to_owned()),
        (json!({"sub": 5}), "claim \"sub\" could not be converted".to_owned()),
        (json!({"sub": ""}), "missing name in alias".to_owned()),
        (
            json!({"team": null}),
            "error validating claims: claim \"/team/name\" is missing".to_owned(),
        ),
        (json!({"team": {"name": "green"}}), "error validating claims: claim".to_owned()),
    ] {
        let error = refused(&server, &issuer.token(&more));
        assert!(error.starts_with(&want), "{more}: {error}");
    }
    let stranger = Issuer::new().token(&json!({}));
    let unknown = "no known key successfully validated the token signature";
    assert!(refused(&server, &stranger).contains(unknown));
    assert!(refused(&server, "junk").contains("must have three parts"));
    let good = issuer.token(&json!({}));
    role(&server, &json!({"bound_subject": "eve"}));
    assert!(refused(&server, &good).contains("invalid subject (sub) claim"));
    role(&server, &json!({"bound_audiences": [], "bound_subject": "bob"}));
    assert!(refused(&server, &good).contains("no audiences bound to the role"));
    assert_eq!(login(&server, &issuer.token(&json!({"aud": null}))).0, 200);
    role(&server, &json!({"claim_mappings": {"groups": "x"}}));
    assert_eq!(refused(&server, &good), "error converting claim 'groups' to string");
    role(&server, &json!({"token_bound_cidrs": "10.0.0.0/8"}));
    assert_eq!(login(&server, &good).0, 403);
    for (body, want) in [
        (json!({}), "missing role"),
        (json!({"role": "dev"}), "missing token"),
        (json!({"role": "no", "jwt": good}), "role \"no\" could not be found"),
    ] {
        let error = server.error("POST", "auth/jwt/login", "", &body.to_string(), 400);
        assert_eq!(error, want, "{body}");
    }
}

#[test]
fn the_configuration_is_checked_and_replaced_as_a_whole() {
    let issuer = Issuer::new();
    let server = TestServer::dev();
    server.root("POST", "sys/auth/jwt", r#"{"type":"jwt"}"#, 204);
    server.root("GET", "auth/jwt/config", "", 404);
    let none = server.error("POST", "auth/jwt/login", "", r#"{"role":"r","jwt":"x"}"#, 400);
    assert_eq!(none, "could not load configuration");
    let key = issuer.key.public_key_pem();
    for (body, part) in [
        (json!({}), "exactly one of"),
        (json!({"jwt_validation_pubkeys": key, "jwks_url": "https://x"}), "exactly one of"),
        (json!({"jwt_validation_pubkeys": "junk"}), "error parsing public key"),
        (json!({"jwt_validation_pubkeys": [key, "junk"]}), "error parsing public key"),
        (json!({"jwt_validation_pubkeys": key, "jwt_supported_algs": "HS256"}), "\"HS256\""),
        (json!({"jwt_validation_pubkeys": key, "oidc_client_id": "x"}), "must be set for OIDC"),
        (json!({"oidc_discovery_url": "https://x"}), "not supported"),
        (json!({"jwks_url": "https://x"}), "not supported"),
        (json!({"jwt_validation_pubkeys": {"a": 1}}), "jwt_validation_pubkeys"),
    ] {
        let error = server.error("POST", "auth/jwt/config", ROOT, &body.to_string(), 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    let set = |body: &Value| server.root("POST", "auth/jwt/config", &body.to_string(), 204);
    set(&json!({"jwt_validation_pubkeys": key, "bound_issuer": "me", "default_role": "DEV"}));
    role(&server, &json!({}));
    let body = json!({"jwt": issuer.token(&json!({}))}).to_string();
    server.root("POST", "auth/jwt/login", &body, 200);
    set(&json!({"jwt_validation_pubkeys": key, "jwt_supported_algs": ["RS256", "EdDSA"]}));
    let shown = server.root("GET", "auth/jwt/config", "", 200);
    let data = &shown["data"];
    assert_eq!((&data["bound_issuer"], &data["default_role"]), (&json!(""), &json!("")));
    assert_eq!(data["jwt_supported_algs"], json!(["RS256", "EdDSA"]));
    assert_eq!(data["jwt_validation_pubkeys"], json!([key.trim()]));
    assert!(refused(&server, &issuer.token(&json!({}))).contains("unexpected algorithm"));
}

#[test]
fn roles_are_made_shown_changed_and_deleted() {
    let server = configured(&Issuer::new());
    let path = "auth/jwt/role/dev";
    server.root("LIST", "auth/jwt/role", "", 404);
    server.root("GET", path, "", 404);
    let sound = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "a"});
    for (more, part) in [
        (json!({"role_type": ""}), "'allowed_redirect_uris' must be set"),
        (json!({"role_type": "x"}), "invalid 'role_type': x"),
        (json!({"role_type": "oidc", "allowed_redirect_uris": "x"}), "not supported"),
        (json!({"user_claim": ""}), "a user claim must be defined"),
        (json!({"bound_audiences": []}), "at least one bound constraint"),
        (json!({"bound_claims_type": "x"}), "invalid 'bound_claims_type': x"),
        (json!({"bound_claims_type": "glob", "bound_claims": {"a": [5]}}), "not a string: 5"),
        (json!({"bound_claims": "x"}), "bound_claims"),
        (json!({"claim_mappings": {"a": "x", "b": "x"}}), "multiple keys"),
        (json!({"claim_mappings": {"a": "role"}}), "reserved"),
        (json!({"clock_skew_leeway": "x"}), "clock_skew_leeway"),
        (json!({"token_type": "x"}), "invalid 'token_type' value \"x\""),
        (json!({"token_policies_template_claims": true}), "not supported"),
    ] {
        let mut body = sound.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let error = server.error("POST", path, ROOT, &body.to_string(), 400);
        assert!(error.contains(part), "{more}: {error}");
    }
    role(
        &server,
        &json!({"clock_skew_leeway": -1, "expiration_leeway": "1m", "bound_claims": {"a": 5}}),
    );
    server.root("POST", path, r#"{"role_type":"jwt","bound_subject":"bob"}"#, 204);
    let shown = server.root("GET", "auth/jwt/role/DEV", "", 200);
    let data = &shown["data"];
    for (name, want) in [
        ("role_type", json!("jwt")),
        ("bound_audiences", json!(["app"])),
        ("bound_subject", json!("bob")),
        ("bound_claims", json!({"a": 5})),
        ("bound_claims_type", json!("string")),
        ("claim_mappings", Value::Null),
        ("clock_skew_leeway", json!(-1)),
        ("expiration_leeway", json!(60)),
        ("not_before_leeway", json!(0)),
        ("user_claim", json!("sub")),
        ("token_type", json!("default")),
    ] {
        assert_eq!(data[name], want, "{name}");
    }
    // The old name of the method, which others do not have.
    role(&server, &json!({"num_uses": 3}));
    let shown = server.root("GET", path, "", 200);
    assert_eq!(
        (&shown["data"]["num_uses"], &shown["data"]["token_num_uses"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(server.root("LIST", "auth/jwt/role", "", 200)["data"]["keys"], json!(["dev"]));
    server.root("DELETE", path, "", 204);
    server.root("GET", path, "", 404);
}
