//! `bao agent`: logs in by itself and fills a template.

use std::fs;

use crate::support::{ROOT, Server};

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
