//! Forwarded calls: done once, answered as if local, and never repeated when a connection breaks.

use std::net::SocketAddr;
use std::time::Duration;

use strongroom_storage::Options;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::cluster::{Cluster, level, until};
use super::ops::{DATA, call};

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_write_is_done_by_the_primary_and_visible_here_when_answered() {
    let dir = tempfile::tempdir().unwrap();
    let primary = Cluster::primary(dir.path().join("p"), Options::default()).await;
    let bundle = primary.bundle("eu").await;
    let mut secondary = primary.secondary(dir.path().join("s"), bundle, Options::default()).await;
    secondary.start().await;
    level(&primary, &secondary).await;
    let calls = (0..50).map(|i| {
        let replication = secondary.replication().clone();
        tokio::spawn(async move { replication.forward(call(&format!("f/{i}"), "body")).await })
    });
    for (i, answered) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let outcome = answered.await.unwrap().unwrap();
        assert!(outcome.caught_up);
        assert_eq!(secondary.get(DATA, &format!("f/{i}")).as_deref(), Some(&b"body"[..]));
        // The certificate names the secondary, not the call.
        let data = outcome.reply.result.unwrap().data.unwrap();
        assert_eq!(data.get(), "\"eu\"");
    }
    assert!(primary.ops.executed.lock().unwrap().values().all(|n| *n == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_primary_is_a_clear_error_and_a_returning_one_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut primary = Cluster::primary(dir.path().join("p"), Options::default()).await;
    let bundle = primary.bundle("eu").await;
    let mut secondary = primary.secondary(dir.path().join("s"), bundle, Options::default()).await;
    secondary.start().await;
    level(&primary, &secondary).await;
    primary.crash().await;
    let failed = secondary.replication().forward(call("f/1", "b")).await.err().unwrap();
    assert!(failed.status == 503 || failed.status == 502, "{failed:?}");
    let failed = secondary.replication().forward(call("f/2", "b")).await.err().unwrap();
    assert_eq!(failed.status, 503);
    assert!(failed.errors[0].contains("cannot be reached"), "{failed:?}");
    primary.start().await;
    level(&primary, &secondary).await;
    let mut answered = false;
    for _ in 0..100 {
        if secondary.replication().forward(call("f/3", "b")).await.is_ok() {
            answered = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answered);
    assert_eq!(primary.get(DATA, "f/2"), None);
}

/// Passes connections on, and cuts them all when told.
async fn proxy(to: SocketAddr, cut: watch::Receiver<u32>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut inward, _) = listener.accept().await.unwrap();
            let mut cut = cut.clone();
            cut.mark_unchanged();
            tokio::spawn(async move {
                let Ok(mut outward) = TcpStream::connect(to).await else { return };
                tokio::select! {
                    _ = copy_bidirectional(&mut inward, &mut outward) => {}
                    _ = cut.changed() => {}
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_never_repeat_a_call() {
    let dir = tempfile::tempdir().unwrap();
    let primary = Cluster::primary(dir.path().join("p"), Options::default()).await;
    let (cut, is_cut) = watch::channel(0);
    let through = proxy(primary.listen, is_cut).await;
    let mut bundle = primary.bundle("eu").await;
    bundle.primary_cluster_addr = format!("https://{through}");
    let mut secondary = primary.secondary(dir.path().join("s"), bundle, Options::default()).await;
    secondary.start().await;
    level(&primary, &secondary).await;
    let (done, is_done) = watch::channel(false);
    let cutter = tokio::spawn(async move {
        for n in 1..30 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            cut.send_replace(n);
        }
        done.send_replace(true);
        // Kept, so that the proxy goes on.
        cut
    });
    let callers = (0..8).map(|caller| {
        let replication = secondary.replication().clone();
        let is_done = is_done.clone();
        tokio::spawn(async move {
            let mut answered = Vec::new();
            let mut last = false;
            for i in 0..100_000 {
                let path = format!("c/{caller}/{i}");
                last = replication.forward(call(&path, "b")).await.is_ok();
                if last {
                    answered.push(path);
                } else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                // Undisturbed in the end, a call gets through.
                if last && *is_done.borrow() {
                    break;
                }
            }
            assert!(last, "no call gets through any more");
            answered
        })
    });
    let mut answered = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        answered.extend(caller.await.unwrap());
    }
    let _cut = cutter.await.unwrap();
    level(&primary, &secondary).await;
    let executed = primary.ops.executed.lock().unwrap().clone();
    assert!(executed.values().all(|n| *n == 1), "a call was done twice");
    for path in answered {
        assert_eq!(executed.get(&path), Some(&1), "{path} was answered but not done");
    }
    until("the secondary streams", || secondary.status()["state"] == "stream-wals").await;
}
