//! The machine that the server runs on, as `/proc` tells of it.

use std::collections::BTreeMap;

use rustix::fs::statvfs;
use serde_json::{Map, Value, json};

/// File systems that are shown at most.
const DISKS_MAX: usize = 64;

/// Processors, disks, host and memory.
pub(super) fn machine() -> Value {
    json!({
        "cpu": processors(&read("/proc/cpuinfo")),
        "cpu_times": times(&read("/proc/stat")),
        "disk": disks(&read("/proc/mounts")),
        "host": host(&read("/proc/stat"), &read("/etc/os-release")),
        "memory": memory(&read("/proc/meminfo")),
    })
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The number that a text begins with; 0 without one.
fn number(text: &str) -> u64 {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

fn processors(text: &str) -> Vec<Value> {
    let blocks = text.split("\n\n").filter(|b| !b.trim().is_empty());
    let one = |block: &str| {
        let fields: BTreeMap<&str, &str> = block
            .lines()
            .filter_map(|l| l.split_once(':'))
            .map(|(k, v)| (k.trim(), v.trim()))
            .collect();
        let field = |name: &str| fields.get(name).copied().unwrap_or("");
        json!({
            "cpu": number(field("processor")),
            "vendorId": field("vendor_id"),
            "family": field("cpu family"),
            "model": field("model"),
            "stepping": number(field("stepping")),
            "physicalId": field("physical id"),
            "coreId": field("core id"),
            "cores": 1,
            "modelName": field("model name"),
            "mhz": field("cpu MHz").parse::<f64>().unwrap_or(0.0),
            "cacheSize": number(field("cache size")),
            "flags": field("flags").split_whitespace().collect::<Vec<_>>(),
            "microcode": field("microcode"),
        })
    };
    blocks.map(one).collect()
}

/// Seconds by state, of each processor; the kernel counts hundredths.
fn times(text: &str) -> Vec<Value> {
    const NAMES: [&str; 10] = [
        "user",
        "nice",
        "system",
        "idle",
        "iowait",
        "irq",
        "softirq",
        "steal",
        "guest",
        "guestNice",
    ];
    let lines = text
        .lines()
        .filter(|l| l.starts_with("cpu") && l.as_bytes().get(3).is_some_and(u8::is_ascii_digit));
    let one = |line: &str| {
        let mut words = line.split_whitespace();
        let mut shown = Map::new();
        shown.insert("cpu".to_owned(), words.next().into());
        for (name, ticks) in NAMES.iter().zip(words) {
            shown.insert((*name).to_owned(), (ticks.parse::<f64>().unwrap_or(0.0) / 100.0).into());
        }
        Value::Object(shown)
    };
    lines.map(one).collect()
}

/// The file systems that lie on devices, each once.
fn disks(mounts: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut shown = Vec::new();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(device), Some(path), Some(kind)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if !device.starts_with("/dev/") || seen.contains(&device) || shown.len() >= DISKS_MAX {
            continue;
        }
        seen.push(device);
        let Ok(stat) = statvfs(path) else { continue };
        let (total, free) = (stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize);
        let used = total - (stat.f_bfree * stat.f_frsize).min(total);
        let inodes = stat.f_files - stat.f_ffree.min(stat.f_files);
        shown.push(json!({
            "path": path,
            "fstype": kind,
            "total": total,
            "free": free,
            "used": used,
            "usedPercent": percent(used, used + free),
            "inodesTotal": stat.f_files,
            "inodesUsed": inodes,
            "inodesFree": stat.f_ffree,
            "inodesUsedPercent": percent(inodes, stat.f_files),
        }));
    }
    shown
}

/// To hundredths.
fn percent(part: u64, whole: u64) -> f64 {
    let share = u128::from(part) * 10_000 / u128::from(whole.max(1));
    f64::from(u32::try_from(share).unwrap_or(0)) / 100.0
}

fn host(stat: &str, release: &str) -> Value {
    let started = stat.lines().find_map(|l| l.strip_prefix("btime ")).map_or(0, number);
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter(|e| {
        e.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()))
    });
    let word = |name: &str| {
        let line = release.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or("").trim_matches('"').to_owned()
    };
    json!({
        "hostname": read("/proc/sys/kernel/hostname").trim(),
        "uptime": number(&read("/proc/uptime")),
        "bootTime": started,
        "procs": processes.count(),
        "os": "linux",
        "platform": word("ID"),
        "platformFamily": word("ID_LIKE").split(' ').next().filter(|w| !w.is_empty())
            .map_or_else(|| word("ID"), str::to_owned),
        "platformVersion": word("VERSION_ID"),
        "kernelVersion": read("/proc/sys/kernel/osrelease").trim(),
        "kernelArch": std::env::consts::ARCH,
        "virtualizationSystem": "",
        "virtualizationRole": "",
        "hostid": read("/proc/sys/kernel/random/boot_id").trim(),
    })
}

/// Bytes.
fn memory(text: &str) -> Value {
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.map_or(0, |l| number(l.trim())) * 1024
    };
    let (total, available) = (field("MemTotal"), field("MemAvailable"));
    let used = total - available.min(total);
    let mut shown = json!({
        "total": total,
        "available": available,
        "used": used,
        "usedPercent": percent(used, total),
    });
    for (name, kernels) in [
        ("free", "MemFree"),
        ("active", "Active"),
        ("inactive", "Inactive"),
        ("buffers", "Buffers"),
        ("cached", "Cached"),
        ("writeback", "Writeback"),
        ("dirty", "Dirty"),
        ("shared", "Shmem"),
        ("slab", "Slab"),
        ("pagetables", "PageTables"),
        ("swapcached", "SwapCached"),
        ("commitlimit", "CommitLimit"),
        ("committedas", "Committed_AS"),
        ("swaptotal", "SwapTotal"),
        ("swapfree", "SwapFree"),
        ("mapped", "Mapped"),
    ] {
        shown[name] = field(kernels).into();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let cpus = processors(
            "processor\t: 0\nvendor_id\t: X\ncpu MHz\t\t: 2445.4\nflags\t: a b\n\nprocessor\t: 1\n\n",
        );
        assert_eq!(
            (cpus.len(), &cpus[0]["vendorId"], &cpus[1]["cpu"]),
            (2, &json!("X"), &json!(1))
        );
        assert_eq!((&cpus[0]["mhz"], &cpus[0]["flags"]), (&json!(2445.4), &json!(["a", "b"])));
        let times = times("cpu  1 2 3 4\ncpu0 100 0 50 0 0 0 0 0 0 0\nintr 5\n");
        assert_eq!(
            (times.len(), &times[0]["cpu"], &times[0]["user"], &times[0]["guestNice"]),
            (1, &json!("cpu0"), &json!(1.0), &json!(0.0))
        );
        let memory = memory("MemTotal:       16 kB\nMemAvailable: 4 kB\nSwapTotal: 1 kB\n");
        assert_eq!((&memory["total"], &memory["swaptotal"]), (&json!(16384), &json!(1024)));
        assert_eq!(memory["usedPercent"], 75.0);
        assert_eq!(number("12.5 3.4\n"), 12);
        let host = host("btime 7\n", "ID=debian\nVERSION_ID=\"12\"\n");
        assert_eq!((&host["bootTime"], &host["platform"]), (&json!(7), &json!("debian")));
        assert_eq!(
            (&host["platformFamily"], &host["platformVersion"]),
            (&json!("debian"), &json!("12"))
        );
        // What is no device, and what is there twice, is left out.
        let shown = disks("proc /proc proc rw 0 0\n/dev/a / x rw 0 0\n/dev/a /tmp x rw 0 0\n");
        assert_eq!((shown.len(), &shown[0]["path"]), (1, &json!("/")));
    }
}
