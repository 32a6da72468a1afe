//! Devices that write, fail and hang.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::*;
use crate::ward::Ward;

fn device(path: &str) -> Device {
    let options = BTreeMap::from([("file_path".to_owned(), path.to_owned())]);
    let entry = DeviceEntry::new("d/".to_owned(), "file".to_owned(), String::new(), options, false);
    Device::start(entry.unwrap()).unwrap()
}

fn submit(device: &Device, line: &[u8]) -> Option<oneshot::Receiver<()>> {
    device.submit(|to| {
        to.extend_from_slice(line);
        None
    })
}

fn read(pipe: PathBuf) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let lines = BufReader::new(File::open(pipe).unwrap()).lines();
        lines.collect::<Result<Vec<_>, _>>().unwrap()
    })
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
async fn a_record_that_a_panic_cut_short_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let device = device(path.to_str().unwrap());
    let first = submit(&device, b"one\n").unwrap();
    let cut = std::panic::AssertUnwindSafe(|| {
        device.submit(|to| {
            to.extend_from_slice(b"half of tw");
            panic!("on purpose")
        })
    });
    assert!(std::panic::catch_unwind(cut).is_err());
    submit(&device, b"three\n").unwrap().await.unwrap();
    first.await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nthree\n");
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
    let reader = read(path);
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

fn on_a_serving_thread<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> {
    let (runtime, ward) = Ward::runtime("test").unwrap();
    let work = runtime.spawn(work);
    async move {
        let done = work.await.unwrap();
        ward.close();
        runtime.shutdown_background();
        done
    }
}

#[tokio::test]
async fn a_serving_thread_writes_what_gathered_on_it_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let device = Arc::new(device(path.to_str().unwrap()));
    let (at, named) = (Arc::clone(&device), path.clone());
    on_a_serving_thread(async move {
        // It is opened by its own thread, which writes the first one.
        submit(&at, b"one\n").unwrap().await.unwrap();
        while !at.shared.outlet.is_quick() {
            tokio::task::yield_now().await;
        }
        let before = at.counted();
        let waiting: Vec<_> = (0..100).map(|_| submit(&at, b"line\n").unwrap()).collect();
        for waiting in waiting {
            waiting.await.unwrap();
        }
        let counted = at.counted();
        assert_eq!(counted.records, before.records + 100);
        assert_eq!(counted.batches, before.batches + 1);
        assert!(at.shared.outlet.is_quick(), "nothing went to the device's thread");
        // The file under the name is another one, and it is told at once.
        std::fs::rename(&named, named.with_extension("1")).unwrap();
        at.reopen();
        submit(&at, b"anew\n").unwrap().await.unwrap();
        assert_eq!(std::fs::read_to_string(&named).unwrap(), "anew\n");
        std::fs::rename(named.with_extension("1"), &named).unwrap();
    })
    .await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("one\n") && text.ends_with(&"line\n".repeat(100)));
}

/// Nobody on the thread that hangs waits for longer than anybody else.
#[tokio::test]
async fn a_file_that_hangs_a_serving_thread_is_given_up_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let device = Arc::new(device(path.to_str().unwrap()));
    submit(&device, b"one\n").unwrap().await.unwrap();
    // To open it again waits for a reader.
    std::fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let at = Arc::clone(&device);
    let reader = on_a_serving_thread(async move {
        let began = Instant::now();
        let mut waiting = submit(&at, b"two\n").unwrap();
        let given_up = loop {
            at.check();
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await
            {
                break answer;
            }
        };
        assert!(given_up.is_err());
        assert!(began.elapsed() >= STUCK_AFTER && began.elapsed() < 2 * STUCK_AFTER);
        assert!(submit(&at, b"three\n").is_none(), "nobody waits for it now");
        let reader = read(path);
        loop {
            if let Some(waiting) = submit(&at, b"four\n") {
                waiting.await.unwrap();
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        reader
    })
    .await;
    drop(device);
    assert_eq!(reader.join().unwrap()[..2], ["two", "three"], "late, but not lost");
}
