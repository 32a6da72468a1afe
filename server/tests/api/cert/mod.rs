//! `auth/cert`: logins with the certificate of the TLS connection.

mod old;
mod served;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use serde_json::{Value, json};

use self::old::of_version_1;
use self::served::{Identity, Served, authority, client};

const FOREIGN: &str = "invalid certificate or no client certificate supplied";
const UNFIT: &str = "no chain matching all constraints could be found for this login certificate";

#[test]
fn a_client_logs_in_with_its_certificate() {
    let served = Served::enabled();
    let ca = authority("ca");
    let web = client(&ca, "web", 77);
    assert_eq!(served.refused(Some(&web), &json!({})), FOREIGN);
    served.role("Web", &ca, &json!({"token_policies": "b,a", "token_ttl": "1h"}));
    assert_eq!(served.refused(None, &json!({})), "no client certificate found");
    let (status, made) = served.login(&web, &json!({}));
    assert_eq!(status, 200, "{made}");
    let auth = &made["auth"];
    assert_eq!(auth["policies"], json!(["a", "b", "default"]));
    assert_eq!((&auth["lease_duration"], &auth["token_type"]), (&json!(3600), &json!("service")));
    let metadata = auth["metadata"].as_object().unwrap();
    assert_eq!((&metadata["cert_name"], &metadata["common_name"]), (&json!("web"), &json!("web")));
    assert_eq!(metadata["serial_number"], "77");
    let token = auth["client_token"].as_str().unwrap();
    let shown = served.call(None, "GET", "auth/token/lookup-self", token, &json!({})).1;
    assert_eq!(shown["data"]["display_name"], "cert-web");
    let path = format!("identity/entity/id/{}", auth["entity_id"].as_str().unwrap());
    let entity = served.root("GET", &path, &json!({}), 200);
    assert_eq!(entity["data"]["aliases"][0]["name"], "web");
    assert_eq!(entity["data"]["aliases"][0]["metadata"], Value::Null);

    served.role("db", &authority("else"), &json!({}));
    assert_eq!(served.refused(Some(&web), &json!({"name": "db"})), FOREIGN);
    assert_eq!(served.refused(Some(&web), &json!({"name": "none"})), FOREIGN);
    assert_eq!(served.login(&web, &json!({"name": "WEB"})).0, 200);
    served.root("POST", "auth/cert/config", &json!({"enable_identity_alias_metadata": true}), 204);
    assert_eq!(served.login(&web, &json!({})).0, 200);
    let entity = served.root("GET", &path, &json!({}), 200);
    assert_eq!(entity["data"]["aliases"][0]["metadata"]["serial_number"], "77");
    served.role("web", &ca, &json!({"token_bound_cidrs": "10.0.0.0/8"}));
    assert_eq!(served.login(&web, &json!({})).0, 403);
}

#[test]
fn rules_have_to_be_kept() {
    let served = Served::enabled();
    let ca = authority("ca");
    let web = client(&ca, "web", 1);
    for (rule, fits) in [
        (json!({"allowed_common_names": "db,w*"}), true),
        (json!({"allowed_common_names": ["db"]}), false),
        (json!({"allowed_dns_sans": "*.test"}), true),
        (json!({"allowed_dns_sans": "web"}), false),
        (json!({"allowed_uri_sans": "spiffe://*"}), true),
        (json!({"allowed_uri_sans": "https://*"}), false),
        (json!({"allowed_email_sans": "*"}), false),
        (json!({"allowed_organizational_units": "eng"}), true),
        (json!({"allowed_organizational_units": "ops"}), false),
        (json!({"allowed_names": "web.test"}), true),
        (json!({"allowed_names": "db"}), false),
        (json!({"required_extensions": "1.2.3:x"}), false),
        (json!({"required_extensions": "junk"}), false),
        (json!({"allowed_common_names": "web", "allowed_dns_sans": "x"}), false),
    ] {
        served.root("DELETE", "auth/cert/certs/r", &json!({}), 204);
        served.role("r", &ca, &rule);
        if fits {
            assert_eq!(served.login(&web, &json!({})).0, 200, "{rule}");
        } else {
            assert_eq!(served.refused(Some(&web), &json!({})), UNFIT, "{rule}");
        }
    }
}

#[test]
fn roles_are_made_shown_changed_and_deleted() {
    let served = Served::enabled();
    let ca = authority("ca");
    let post = |body: &Value, want| served.root("POST", "auth/cert/certs/r", body, want);
    for body in [json!({}), json!({"certificate": "junk"}), json!({"display_name": "x"})] {
        assert_eq!(post(&body, 400)["errors"], json!(["failed to parse certificate"]));
    }
    served.root("GET", "auth/cert/certs/r", &json!({}), 404);
    served.root("LIST", "auth/cert/certs", &json!({}), 404);
    served.role("R", &ca, &json!({"allowed_dns_sans": "a,b", "policies": "p"}));
    post(&json!({"display_name": "d", "token_strictly_bind_ip": true}), 204);
    post(&json!({"ocsp_enabled": true}), 400);
    post(&json!({"certificate": ""}), 400);
    post(&json!({"token_ttl": 9, "token_max_ttl": 5}), 400);
    post(&json!({"allowed_dns_sans": {"a": 1}}), 400);
    let shown = served.root("GET", "auth/cert/certs/R", &json!({}), 200);
    let data = &shown["data"];
    assert_eq!(data["certificate"], json!(ca.pem()));
    assert_eq!(
        (&data["display_name"], &data["allowed_dns_sans"]),
        (&json!("d"), &json!(["a", "b"]))
    );
    assert_eq!((&data["allowed_names"], &data["ocsp_enabled"]), (&Value::Null, &json!(false)));
    assert_eq!(data["token_strictly_bind_ip"], true);
    let listed = served.root("LIST", "auth/cert/certs", &json!({}), 200);
    assert_eq!(listed["data"]["keys"], json!(["r"]));
    served.root("DELETE", "auth/cert/certs/R", &json!({}), 204);
    served.root("GET", "auth/cert/certs/r", &json!({}), 404);

    let config = served.root("GET", "auth/cert/config", &json!({}), 200);
    let want = json!({"disable_binding": false, "enable_identity_alias_metadata": false, "ocsp_cache_size": 0});
    assert_eq!(config["data"], want);
    served.root("POST", "auth/cert/config", &json!({"disable_binding": "x"}), 400);
    served.root("POST", "auth/cert/config", &json!({"ocsp_cache_size": 1}), 400);
}

#[test]
fn revoked_certificates_are_turned_away() {
    let served = Served::enabled();
    let ca = authority("ca");
    let (web, db) = (client(&ca, "web", 0x0100), client(&ca, "db", 5));
    served.role("r", &ca, &json!({}));
    let crls = |body: &Value, want| served.root("POST", "auth/cert/crls/One", body, want);
    crls(&json!({}), 400);
    crls(&json!({"crl": "junk"}), 400);
    crls(&json!({"url": "http://127.0.0.1/crl"}), 400);
    served.root("GET", "auth/cert/crls/one", &json!({}), 400);
    served.root("DELETE", "auth/cert/crls/one", &json!({}), 400);
    served.root("LIST", "auth/cert/crls", &json!({}), 404);
    let now = time::OffsetDateTime::now_utc();
    let list = CertificateRevocationListParams {
        this_update: now,
        next_update: now + time::Duration::days(1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(0x0100),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    crls(&json!({"crl": list.signed_by(&ca).unwrap().pem().unwrap()}), 204);
    let shown = served.root("GET", "auth/cert/crls/one", &json!({}), 200);
    assert_eq!(shown["data"]["serials"], json!({"256": {}}));
    assert_eq!(
        served.root("LIST", "auth/cert/crls", &json!({}), 200)["data"]["keys"],
        json!(["one"])
    );
    assert_eq!(served.refused(Some(&web), &json!({})), UNFIT);
    assert_eq!(served.login(&db, &json!({})).0, 200);
    served.root("DELETE", "auth/cert/crls/one", &json!({}), 204);
    assert_eq!(served.login(&web, &json!({})).0, 200);
}

#[test]
fn a_token_is_renewed_with_its_certificate_only() {
    let served = Served::enabled();
    let ca = authority("ca");
    let (web, db) = (client(&ca, "web", 1), client(&ca, "db", 2));
    served.role("r", &ca, &json!({"token_policies": "p", "token_ttl": 600}));
    let (_, made) = served.login(&web, &json!({}));
    let token = made["auth"]["client_token"].as_str().unwrap();
    let renew = |identity: Option<&Identity>| {
        served.call(identity, "POST", "auth/token/renew-self", token, &json!({}))
    };
    let refused = |identity, want: &str| {
        let (status, answer) = renew(identity);
        assert_eq!(status, 400, "{answer}");
        let message = answer["errors"][0].as_str().unwrap();
        assert!(message.contains(want), "{message}");
    };
    assert_eq!(renew(Some(&web)).0, 200);
    refused(None, "no client certificate found");
    refused(Some(&db), "not matching client identity");
    served.role("r", &ca, &json!({"token_policies": "q"}));
    refused(Some(&web), "policies have changed");
    served.role("r", &ca, &json!({"token_policies": "p", "token_ttl": 60}));
    assert_eq!(renew(Some(&web)).1["auth"]["lease_duration"], 60);
    served.role("r", &authority("else"), &json!({}));
    refused(Some(&web), FOREIGN);
    served.root("POST", "auth/cert/config", &json!({"disable_binding": true}), 204);
    assert_eq!(renew(None).0, 200);
    served.root("DELETE", "auth/cert/certs/r", &json!({}), 204);
    refused(Some(&web), "does not exist during renewal");
}

#[test]
fn listeners_ask_for_certificates_as_they_are_told() {
    let ca = authority("ca");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    let (own, other) = (client(&ca, "own", 1), client(&authority("other"), "other", 2));
    let status = |served: &Served, identity| {
        served.call(identity, "GET", "sys/seal-status", "", &json!({})).0
    };
    // Named to clients, and not insisted on.
    let asking = Served::new(|files| files.client_ca_file = Some(file.clone()));
    assert_eq!((status(&asking, Some(&own)), status(&asking, None)), (200, 200));
    let strict = Served::new(|files| {
        files.client_ca_file = Some(file.clone());
        files.require_client_cert = true;
    });
    assert_eq!((status(&strict, Some(&own)), status(&strict, None)), (200, 0));
    assert_eq!(status(&strict, Some(&other)), 0);
    let silent = Served::new(|files| files.client_certs = false);
    silent.root("POST", "sys/auth/cert", &json!({"type": "cert"}), 204);
    assert_eq!(silent.refused(Some(&own), &json!({})), "no client certificate found");
}

#[test]
fn a_client_with_a_certificate_of_an_old_version_is_served() {
    let served = Served::new(|_| {});
    let mut old = client(&authority("old"), "old", 1);
    old.chain = vec![of_version_1(&old.chain[0]).into()];
    for versions in [[&rustls::version::TLS13], [&rustls::version::TLS12]] {
        let (status, _) =
            served.call_by(Some(&old), &versions, "GET", "sys/health", "", &Value::Null);
        assert_eq!(status, 200, "{versions:?}");
    }
}
