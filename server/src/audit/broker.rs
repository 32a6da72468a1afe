//! The devices at work, kept in step with the stored tables.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::AbortHandle;

use super::entry::{DeviceEntry, Table};
use super::{Counted, Device, HEADERS_KEY, TABLE_KEY};
use crate::barrier::{Session, ViewError};
use crate::cluster::Unsealed;
use crate::dispatch::Request;
use crate::keyspace::{CORE, LOCAL};
use crate::logical::Operation;

/// How often devices are looked after.
const TICK: Duration = Duration::from_millis(200);
/// Ticks from one look at the tables to the next; what replication brings is seen by then.
const TICKS_PER_REFRESH: u32 = 5;

/// Devices at work.
#[derive(Default)]
pub(super) struct Live {
    pub(super) devices: Vec<Arc<Device>>,
    /// Devices that are configured and could not be started: they log nothing, so they must not
    /// pass for "no audit".
    pub(super) missing: usize,
    /// Request headers on record, in lower case, and whether hashed.
    pub(super) headers: BTreeMap<String, bool>,
}

/// Hands requests the devices at work.
#[derive(Default)]
pub struct Broker {
    live: ArcSwap<Live>,
    refreshing: Mutex<()>,
}

/// The stored devices of both tables.
pub(super) fn entries(session: &mut Session) -> Result<Vec<DeviceEntry>, ViewError> {
    let mut all = Vec::new();
    for keyspace in [CORE, LOCAL] {
        let table: Option<Table> = session.view(keyspace).get_json(TABLE_KEY)?;
        all.extend(table.unwrap_or_default().entries);
    }
    Ok(all)
}

/// The stored headers.
pub(super) fn headers(session: &mut Session) -> Result<BTreeMap<String, bool>, ViewError> {
    Ok(session.view(CORE).get_json(HEADERS_KEY)?.unwrap_or_default())
}

impl Broker {
    /// What is at work now.
    pub(super) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Whether requests go on record.
    pub fn on(&self) -> bool {
        let live = self.live.load();
        !live.devices.is_empty() || live.missing > 0
    }

    /// What the devices at work have written so far.
    pub fn counted(&self) -> Vec<Counted> {
        self.live.load().devices.iter().map(|device| device.counted()).collect()
    }

    /// Starts what is stored and not at work, drops what is at work and not stored any more.
    ///
    /// # Errors
    /// The tables cannot be read; what is at work stays.
    pub fn refresh(&self, session: &mut Session) -> Result<(), ViewError> {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let (entries, headers) = (entries(session)?, headers(session)?);
        let old = self.live.load();
        let same = old.missing == 0
            && old.headers == headers
            && old.devices.len() == entries.len()
            && old.devices.iter().zip(&entries).all(|(device, entry)| device.entry == *entry);
        if same {
            return Ok(());
        }
        let mut live = Live { headers, ..Live::default() };
        for entry in entries {
            if let Some(device) = old.devices.iter().find(|d| d.entry == entry) {
                live.devices.push(Arc::clone(device));
                continue;
            }
            let path = entry.path.clone();
            match Device::start(entry) {
                Ok(device) => live.devices.push(Arc::new(device)),
                Err(e) => {
                    live.missing += 1;
                    if old.missing == 0 {
                        tracing::error!(device = path, "the audit device cannot be started: {e}");
                    }
                }
            }
        }
        drop(old);
        self.live.store(Arc::new(live));
        Ok(())
    }

    /// As [`Broker::refresh`], after a request that may have changed the tables.
    pub fn after(&self, request: &Request, unsealed: &Unsealed) {
        let changes = matches!(request.op, Operation::Write | Operation::Delete)
            && (request.path.starts_with("sys/audit/")
                || request.path.starts_with("sys/config/auditing/"));
        if changes && let Err(e) = self.refresh(&mut unsealed.session()) {
            tracing::error!("the audit devices cannot be read: {e}");
        }
    }

    /// Devices open what they write to anew, as SIGHUP asks.
    pub fn reopen(&self) {
        for device in &self.live.load().devices {
            device.reopen();
        }
    }
}

/// Looks after the devices, and keeps the quotas in step too, until the last user of `unsealed` is gone.
pub(crate) fn spawn(unsealed: &Arc<Unsealed>) -> AbortHandle {
    let weak = Arc::downgrade(unsealed);
    tokio::spawn(run(weak)).abort_handle()
}

async fn run(cluster: Weak<Unsealed>) {
    let mut ticks = 0_u32;
    loop {
        tokio::time::sleep(TICK).await;
        let Some(unsealed) = cluster.upgrade() else { return };
        let broker = &unsealed.audit;
        for device in &broker.live.load().devices {
            device.check();
        }
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(TICKS_PER_REFRESH) {
            unsealed.quotas.tidy();
            let mut session = unsealed.session();
            let read = broker.refresh(&mut session);
            if let Err(e) = read.and_then(|()| unsealed.quotas.refresh(&mut session)) {
                tracing::error!("the audit devices and quotas cannot be read: {e}");
            }
        }
    }
}
