//! `OpenBao`, with raft storage, as its documentation recommends. Its audit device stands in the
//! configuration: this version does not take one over the API.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Audit, Grounds, Ports, Process};

pub(super) fn spawn(
    grounds: &Grounds,
    folder: &Path,
    ports: Ports,
    audit: Audit,
) -> Result<Process> {
    let Ports { plain, tls, clusters } = ports;
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    let device = match audit {
        Audit::Off => String::new(),
        _ => format!(
            "audit \"file\" \"file\" {{\n  options {{\n    file_path = \"{}\"\n  }}\n}}\n",
            folder.join("audit.log").display()
        ),
    };
    let config = format!(
        r#"
listener "tcp" {{
  address         = "{plain}"
  cluster_address = "{cluster}"
  tls_disable     = true
}}
listener "tcp" {{
  address         = "{tls}"
  cluster_address = "{}"
  tls_cert_file   = "{certificate}"
  tls_key_file    = "{key}"
}}
storage "raft" {{
  path    = "{data}"
  node_id = "one"
}}
{device}
api_addr      = "http://{plain}"
cluster_addr  = "https://{cluster}"
log_level     = "warn"
"#,
        clusters[1],
        certificate = grounds.identity.certificate.display(),
        key = grounds.identity.key.display(),
        data = data.display(),
        cluster = clusters[0],
    );
    let file = folder.join("server.hcl");
    fs::write(&file, config)?;
    let option = format!("-config={}", file.display());
    Process::spawn(Command::new(&grounds.bao).args(["server", &option]), folder)
}
