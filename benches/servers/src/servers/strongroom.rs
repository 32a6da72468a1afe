//! Ours.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Grounds, Ports, Process};

pub(super) fn spawn(grounds: &Grounds, folder: &Path, ports: Ports) -> Result<Process> {
    let Ports { plain, tls, clusters } = ports;
    let config = format!(
        r#"
listener "tcp" {{
  address         = "{plain}"
  cluster_address = "{}"
  tls_disable     = true
}}
listener "tcp" {{
  address         = "{tls}"
  cluster_address = "{}"
  tls_cert_file   = "{certificate}"
  tls_key_file    = "{key}"
}}
storage "strongroom" {{
  path = "{}"
}}
api_addr      = "http://{plain}"
disable_mlock = true
log_level     = "warn"
"#,
        clusters[0],
        clusters[1],
        folder.join("data").display(),
        certificate = grounds.identity.certificate.display(),
        key = grounds.identity.key.display(),
    );
    let file = folder.join("server.hcl");
    fs::write(&file, config)?;
    Process::spawn(Command::new(&grounds.strongroom).args(["server", "--config"]).arg(file), folder)
}
