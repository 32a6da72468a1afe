//! `bao agent`: logs in by itself, fills a template, and answers for clients without a token.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::support::{ROOT, Server, client, eventually, free_ports, http};

#[test]
fn an_agent_fills_a_template_with_a_secret() {
    let server = Server::dev();
    server.bao(ROOT, &["kv", "put", "secret/a", "x=1"]).ok();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("token"), ROOT).unwrap();
    let config = format!(
        r#"
        vault {{ address = "{}" }}
        exit_after_auth = true
        auto_auth {{
          method {{
            type   = "token_file"
            config = {{ token_file_path = "{}" }}
          }}
        }}
        template {{
          contents    = "{{{{ with secret \"secret/data/a\" }}}}{{{{ .Data.data.x }}}}{{{{ end }}}}"
          destination = "{}"
        }}
        "#,
        server.url(),
        path("token"),
        path("out"),
    );
    fs::write(path("agent.hcl"), config).unwrap();
    server.bao("", &["agent", &format!("-config={}", path("agent.hcl"))]).ok();
    assert_eq!(fs::read_to_string(path("out")).unwrap(), "1");
}

/// An agent; killed on drop.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_agent_logs_in_by_a_role_renews_and_caches() {
    let server = Server::dev();
    server.bao(ROOT, &["kv", "put", "secret/a", "x=1"]).ok();
    let policy = r#"path "secret/*" { capabilities = ["read"] }
path "auth/token/create" { capabilities = ["update"] }"#;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("web.hcl"), policy).unwrap();
    server.bao(ROOT, &["policy", "write", "web", &path("web.hcl")]).ok();
    server.bao(ROOT, &["auth", "enable", "approle"]).ok();
    let role = ["token_policies=web", "token_ttl=4s", "token_max_ttl=1h"];
    server.bao(ROOT, &[&["write", "auth/approle/role/app"], &role[..]].concat()).ok();
    let id = server.bao(ROOT, &["read", "-field=role_id", "auth/approle/role/app/role-id"]).ok();
    fs::write(path("role"), id.out).unwrap();
    let secret = ["write", "-f", "-field=secret_id", "auth/approle/role/app/secret-id"];
    fs::write(path("secret"), server.bao(ROOT, &secret).ok().out).unwrap();
    let port = free_ports(1);
    let config = format!(
        r#"
        vault {{ address = "{url}" }}
        auto_auth {{
          method "approle" {{
            config = {{
              role_id_file_path   = "{role}"
              secret_id_file_path = "{secret}"
            }}
          }}
          sink "file" {{ config = {{ path = "{sink}" }} }}
        }}
        api_proxy {{ use_auto_auth_token = true }}
        cache {{}}
        listener "tcp" {{
          address     = "127.0.0.1:{port}"
          tls_disable = true
        }}
        template {{
          contents    = "{{{{ with secret \"secret/data/a\" }}}}{{{{ .Data.data.x }}}}{{{{ end }}}}"
          destination = "{out}"
        }}
        "#,
        url = server.url(),
        role = path("role"),
        secret = path("secret"),
        sink = path("sink"),
        out = path("out"),
    );
    fs::write(path("agent.hcl"), config).unwrap();
    let agent = Command::new(client("bao"))
        .args(["agent", &format!("-config={}", path("agent.hcl"))])
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _agent = Agent(agent);
    let filled = || fs::read_to_string(path("out")).ok().filter(|text| !text.is_empty());
    assert_eq!(eventually("the template", filled), "1");
    // Without a token of its own, the agent's is used.
    let local = format!("http://127.0.0.1:{port}");
    let (status, body) = http("GET", &local, "secret/data/a", None, None).unwrap();
    assert_eq!((status, &body["data"]["data"]["x"]), (200, &serde_json::json!("1")));
    // A token made through the agent is made once: the second answer is the cache's.
    let make = || {
        let body = Some(r#"{"ttl":"1h"}"#);
        let (status, made) = http("POST", &local, "auth/token/create", None, body).unwrap();
        assert_eq!(status, 200, "{made}");
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    };
    assert_eq!(make(), make());
    // The agent renews its token: it lives on, well beyond its first end.
    let token = fs::read_to_string(path("sink")).unwrap();
    let renewed = || {
        let (status, shown) =
            http("GET", server.url(), "auth/token/lookup-self", Some(&token), None).unwrap();
        assert_eq!(status, 200, "{shown}");
        shown["data"]["last_renewal"].as_str().map(str::to_owned)
    };
    let first = eventually("a renewal", renewed);
    eventually("another one", || renewed().filter(|at| *at != first));
}
