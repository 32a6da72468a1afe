//! A mount without a server: runs an engine's handlers over a real session and commits.

#![expect(clippy::needless_pass_by_value, reason = "tests hand over json!(..) literals")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::Value;
use strongroom_storage::{Class, KeyspaceId, Options, Store};

use super::routes;
use crate::barrier::{Barrier, DecodeCache, Keyring, Session, View};
use crate::logical::{
    ApiResult, Call, Caller, EngineHandler, MountInfo, Operation, Response, Route, find_route,
};

const KEYSPACE: KeyspaceId = KeyspaceId([9; 16]);

/// 2027-01-15T08:00:00Z.
const START: Duration = Duration::from_hours(500_000);

/// One mount of one engine, with a clock that only tests move.
pub(super) struct Harness {
    store: Store,
    barrier: Arc<Barrier>,
    cache: Arc<DecodeCache>,
    table: &'static [Route<EngineHandler>],
    mount: MountInfo,
    /// Who calls.
    pub(super) caller: Caller,
    /// What time it is.
    pub(super) now: SystemTime,
    _dir: tempfile::TempDir,
}

impl Harness {
    pub(super) fn new(kind: &str, options: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let mut txn = store.begin();
        txn.create_keyspace(KEYSPACE, Class::Replicated);
        txn.commit_blocking().unwrap();
        let options: BTreeMap<String, String> =
            options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self {
            store,
            barrier: Arc::new(Barrier::new(Keyring::generate(0).unwrap()).unwrap()),
            cache: Arc::default(),
            table: routes(kind, &options).unwrap(),
            mount: MountInfo {
                path: "m/".into(),
                options,
                default_lease_ttl: 2_764_800,
                ..MountInfo::default()
            },
            caller: Caller { token_id: "t".into(), ..Caller::default() },
            now: SystemTime::UNIX_EPOCH + START,
            _dir: dir,
        }
    }

    /// Moves the clock on.
    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn with_call<T>(
        &mut self,
        op: Operation,
        path: &str,
        body: &str,
        run: impl FnOnce(&Route<EngineHandler>, EngineHandler, &Call<'_>, &mut Session) -> ApiResult<T>,
    ) -> ApiResult<T> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        let (route, method, params) = find_route(self.table, op, path)?;
        let body = Bytes::copy_from_slice(body.as_bytes());
        let call = Call {
            op,
            path,
            params,
            body: &body,
            query: &query,
            caller: &self.caller,
            mount: &self.mount,
            now: self.now,
        };
        let mut session =
            Session::new(self.store.begin(), Arc::clone(&self.barrier), Arc::clone(&self.cache));
        let answer = run(route, method.run, &call, &mut session)?;
        session.into_txn().commit_blocking().unwrap();
        Ok(answer)
    }

    /// Runs and commits one call with a body in text.
    pub(super) fn raw(&mut self, op: Operation, path: &str, body: &str) -> ApiResult<Response> {
        self.with_call(op, path, body, |_, handler, call, session| {
            handler(call, &mut session.view(KEYSPACE))
        })
    }

    /// What the route's existence check says of a write to `path`.
    pub(super) fn exists(&mut self, path: &str) -> bool {
        self.with_call(Operation::Write, path, "", |route, _, call, session| {
            route.exists.unwrap()(call, &mut session.view(KEYSPACE))
        })
        .unwrap()
    }

    /// The `data` of an answer that must succeed; null when it has none.
    #[track_caller]
    pub(super) fn ok(&mut self, op: Operation, path: &str, body: Value) -> Value {
        let response = match self.raw(op, path, &body.to_string()) {
            Ok(response) => response,
            Err(e) => panic!("{op:?} {path} {body}: {} {:?}", e.status, e.errors),
        };
        assert!(response.status.is_none_or(|s| s < 300), "{op:?} {path}: {:?}", response.status);
        data(&response)
    }

    /// The status of an answer.
    pub(super) fn status(&mut self, op: Operation, path: &str, body: Value) -> u16 {
        self.answer(op, path, body).0
    }

    /// Status and data of an answer, whatever it is.
    pub(super) fn answer(&mut self, op: Operation, path: &str, body: Value) -> (u16, Value) {
        match self.raw(op, path, &body.to_string()) {
            Ok(r) => (r.status.unwrap_or(if r.data.is_some() { 200 } else { 204 }), data(&r)),
            Err(e) => {
                (e.status, e.data.map_or(Value::Null, |d| serde_json::from_str(d.get()).unwrap()))
            }
        }
    }

    /// Status and first message of an answer that must fail.
    #[track_caller]
    pub(super) fn error(&mut self, op: Operation, path: &str, body: Value) -> (u16, String) {
        match self.raw(op, path, &body.to_string()) {
            Ok(r) => panic!("{op:?} {path} {body} succeeded: {r:?}"),
            Err(e) => (e.status, e.errors.into_iter().next().unwrap_or_default()),
        }
    }

    /// Changes the mount's entries behind the engine's back.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut View<'_>) -> ApiResult<()>) {
        let mut session =
            Session::new(self.store.begin(), Arc::clone(&self.barrier), Arc::clone(&self.cache));
        change(&mut session.view(KEYSPACE)).unwrap();
        session.into_txn().commit_blocking().unwrap();
    }

    /// Names of all stored entries below `prefix`.
    pub(super) fn stored(&self, prefix: &str) -> Vec<String> {
        let keys = self.store.scan(KEYSPACE, prefix.as_bytes(), None, usize::MAX);
        keys.into_iter().map(|k| String::from_utf8(k).unwrap()).collect()
    }
}

fn data(response: &Response) -> Value {
    response.data.as_ref().map_or(Value::Null, |d| serde_json::from_str(d.get()).unwrap())
}
