//! Devices that write, fail and hang.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

fn device(path: &str) -> Device {
    let options = BTreeMap::from([("file_path".to_owned(), path.to_owned())]);
    let entry = DeviceEntry::new("d/".to_owned(), "file".to_owned(), String::new(), options, false);
    Device::start(entry.unwrap()).unwrap()
}

fn submit(device: &Device, line: &[u8]) -> Option<oneshot::Receiver<()>> {
    let waiting = device.submit(line, &[line.len()]);
    device.begin();
    waiting
}

#[tokio::test]
async fn records_are_there_when_the_answer_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let device = device(path.to_str().unwrap());
    for n in 1..=3 {
        submit(&device, b"line\n").unwrap().await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), n);
    }
    let dead = self::device("/proc/nothing/log");
    assert!(submit(&dead, b"line\n").unwrap().await.is_err());
}

#[tokio::test]
async fn all_who_wait_for_one_write_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let device = device(path.to_str().unwrap());
    let waiting: Vec<_> = (0..100).map(|_| submit(&device, b"line\n").unwrap()).collect();
    for waiting in waiting {
        waiting.await.unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 100);
    assert_eq!(device.counted().records, 100);
}

/// A pipe that nobody reads hung every request of another server for good.
#[tokio::test]
async fn a_device_that_hangs_is_given_up_and_taken_back_when_it_moves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let device = device(path.to_str().unwrap());
    let waiting = submit(&device, b"one\n").unwrap();
    let mut waiting = std::pin::pin!(waiting);
    let given_up = loop {
        device.check();
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await {
            break answer;
        }
    };
    assert!(given_up.is_err());
    assert!(submit(&device, b"two\n").is_none(), "nobody waits for it now");
    let reader = std::thread::spawn(move || {
        use std::io::{BufRead as _, BufReader};
        let lines = BufReader::new(std::fs::File::open(path).unwrap()).lines();
        lines.collect::<Result<Vec<_>, _>>().unwrap()
    });
    let taken = loop {
        if let Some(waiting) = submit(&device, b"three\n") {
            break waiting.await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(taken.is_ok());
    drop(device);
    assert_eq!(reader.join().unwrap()[..2], ["one", "two"], "late, but not lost");
}
