//! A real process, killed while it appends: every line that it printed is found again.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{Log, LogError, OpenHint};

use crate::support::{ID, append, contents, record, small};

const FOLDER: &str = "STRONGROOM_WAL_TEST_FOLDER";

fn open_or_create(path: &Path) -> Log {
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(path).unwrap());
    match Log::open(Arc::clone(&disk), small(), OpenHint::default()) {
        Ok((log, _)) => log,
        Err(LogError::NotFound) => Log::create(disk, small(), ID).unwrap(),
        Err(error) => panic!("{error}"),
    }
}

fn frame(n: usize) -> Vec<Vec<u8>> {
    vec![record(n, 1 + n * 577 % 20_000), record(n, 5)]
}

/// The child: appends until it is killed, and says so after each acknowledgement. Run by itself
/// it has no folder and nothing to do.
#[test]
fn child() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let mut log = open_or_create(Path::new(&folder));
    let mut out = std::io::stdout();
    for n in contents(&log).len().. {
        append(&mut log, &frame(n)).unwrap();
        writeln!(out, "acknowledged {n}").unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = 0;
    for round in 0..8 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "killed::child", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 3 + round * 5;
        for line in lines.by_ref() {
            // The first line shares its beginning with the test runner's own words.
            if let Some((_, n)) = line.unwrap().split_once("acknowledged ") {
                known = n.parse::<usize>().unwrap() + 1;
                left -= 1;
                if left == 0 {
                    break;
                }
            }
        }
        child.kill().unwrap();
        for line in lines {
            if let Some((_, n)) = line.unwrap().split_once("acknowledged ") {
                known = n.parse::<usize>().unwrap_or(known) + 1;
            }
        }
        child.wait().unwrap();
        let log = open_or_create(dir.path());
        let found = contents(&log);
        assert!(found.len() >= known, "{} of {known} found", found.len());
        assert!(found.iter().enumerate().all(|(n, f)| *f == frame(n)));
        known = found.len();
    }
    assert!(known > 100);
}
