//! SIGKILL of any cluster at any moment under write load. No acknowledged write is lost, and all
//! roots become equal without anyone's help.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::{ROOT, Set, http};

/// Kills in a run; `STRONGROOM_KILLS` makes the long one.
fn kills() -> u64 {
    std::env::var("STRONGROOM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6)
}

/// `STRONGROOM_SEED` repeats a run's choices (not its timing).
fn seed() -> u64 {
    let given = std::env::var("STRONGROOM_SEED").ok().and_then(|n| n.parse().ok());
    given.unwrap_or_else(|| u64::from(std::process::id()))
}

/// xorshift64*: choices that can be repeated, nothing more.
struct Choices(u64);

impl Choices {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

/// Writes to one cluster until told to stop; keeps the paths that were acknowledged.
fn writer(
    name: String,
    url: String,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for n in 0u64.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let path = format!("secret/data/{name}/{n}");
            let body = json!({"data": {"path": path}}).to_string();
            match http("POST", &url, &path, Some(ROOT), Some(&body)) {
                Ok((200, _)) => drop(acknowledged.lock().unwrap().insert(path)),
                // Refused or lost: it may or may not be there.
                Ok(_) | Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    })
}

#[test]
fn any_cluster_is_killed_under_load_and_nothing_acknowledged_is_lost() {
    let seed = seed();
    println!("STRONGROOM_SEED={seed} STRONGROOM_KILLS={}", kills());
    let mut choices = Choices(seed | 1);
    let mut set = Set::new(2);
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let writers: Vec<_> = (0..6)
        .map(|w| {
            let url = set.servers[w % 3].url().to_owned();
            writer(format!("w{w}"), url, Arc::clone(&stop), Arc::clone(&acknowledged))
        })
        .collect();
    for _ in 0..kills() {
        thread::sleep(Duration::from_millis(50 + choices.below(400)));
        let victim = usize::try_from(choices.below(3)).unwrap();
        set.servers[victim].kill();
        thread::sleep(Duration::from_millis(choices.below(200)));
        set.servers[victim].start();
        set.servers[victim].wait_until_it_answers();
    }
    stop.store(true, Ordering::Relaxed);
    for w in writers {
        w.join().unwrap();
    }
    set.wait_until_level();
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.len() > 20, "only {} writes were acknowledged", acknowledged.len());
    for server in &set.servers {
        for path in acknowledged.iter() {
            let (status, reply) = server.call("GET", path, ROOT, None);
            assert_eq!(status, 200, "{path} on {}: {reply}", server.url());
            assert_eq!(reply["data"]["data"]["path"], path.as_str());
        }
    }
    println!("{} acknowledged writes, all there on all clusters", acknowledged.len());
}
