//! Transit through its handlers, without HTTP: what a request costs beyond the protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use strongroom_server::barrier::{Barrier, DecodeCache, Keyring, Session};
use strongroom_server::engine::routes;
use strongroom_server::logical::{Call, Caller, MountInfo, Operation, Response, find_route};
use strongroom_storage::{Class, KeyspaceId, Options, Store};

const KEYSPACE: KeyspaceId = KeyspaceId([9; 16]);
/// 32 bytes in base64.
const MESSAGE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Messages of a batch.
const BATCH: usize = 400;

struct Mount {
    store: Store,
    barrier: Arc<Barrier>,
    cache: Arc<DecodeCache>,
    info: MountInfo,
    caller: Caller,
    _dir: tempfile::TempDir,
}

impl Mount {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let mut txn = store.begin();
        txn.create_keyspace(KEYSPACE, Class::Replicated);
        txn.commit_blocking().unwrap();
        let mount = Self {
            store,
            barrier: Arc::new(Barrier::new(Keyring::generate(0).unwrap()).unwrap()),
            cache: Arc::default(),
            info: MountInfo::default(),
            caller: Caller::default(),
            _dir: dir,
        };
        mount.commit("keys/aes", &json!({}));
        mount.commit("keys/chacha", &json!({"type": "chacha20-poly1305"}));
        mount.commit("keys/ed", &json!({"type": "ed25519"}));
        mount
    }

    fn run(&self, path: &str, body: &Bytes) -> (Response, Session) {
        let table = routes("transit", &self.info.options).unwrap();
        let (_, method, params) = find_route(table, Operation::Write, path).unwrap();
        let call = Call {
            op: Operation::Write,
            path,
            params,
            body,
            query: &[],
            caller: &self.caller,
            mount: &self.info,
            now: SystemTime::now(),
        };
        let mut session =
            Session::new(self.store.begin(), Arc::clone(&self.barrier), Arc::clone(&self.cache));
        let response = (method.run)(&call, &mut session.view(KEYSPACE)).unwrap();
        (response, session)
    }

    fn commit(&self, path: &str, body: &Value) {
        let (_, session) = self.run(path, &bytes(body));
        session.into_txn().commit_blocking().unwrap();
    }

    fn data(&self, path: &str, body: &Value) -> Value {
        let (response, _) = self.run(path, &bytes(body));
        serde_json::from_str(response.data.unwrap().get()).unwrap()
    }
}

fn bytes(body: &Value) -> Bytes {
    Bytes::from(body.to_string())
}

fn batch(item: &Value) -> Value {
    json!({ "batch_input": vec![item; BATCH] })
}

fn transit(c: &mut Criterion) {
    let mount = Mount::new();
    let plain = json!({ "plaintext": MESSAGE });
    let sealed = json!({ "ciphertext": mount.data("encrypt/aes", &plain)["ciphertext"] });
    let input = json!({ "input": MESSAGE });
    let signed = mount.data("sign/ed", &input);
    let signed = json!({ "input": MESSAGE, "signature": signed["signature"] });
    let single = [
        ("encrypt 32 B", "encrypt/aes", &plain),
        ("encrypt 32 B, chacha20", "encrypt/chacha", &plain),
        ("decrypt 32 B", "decrypt/aes", &sealed),
        ("rewrap 32 B", "rewrap/aes", &sealed),
        ("hmac 32 B", "hmac/aes", &input),
        ("sign 32 B, ed25519", "sign/ed", &input),
        ("verify 32 B, ed25519", "verify/ed", &signed),
    ];
    let mut group = c.benchmark_group("transit");
    for (name, path, body) in single {
        let body = bytes(body);
        group.bench_function(name, |b| b.iter(|| black_box(mount.run(path, &body).0)));
    }
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, path, item) in [
        ("encrypt a batch of 400 x 32 B", "encrypt/aes", &plain),
        ("decrypt a batch of 400 x 32 B", "decrypt/aes", &sealed),
        ("rewrap a batch of 400 x 32 B", "rewrap/aes", &sealed),
    ] {
        let body = bytes(&batch(item));
        group.bench_function(name, |b| b.iter(|| black_box(mount.run(path, &body).0)));
    }
    group.finish();
}

criterion_group!(benches, transit);
criterion_main!(benches);
