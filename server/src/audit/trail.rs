//! The records of one request.

use std::sync::Arc;
use std::time::SystemTime;

use super::broker::Live;
use super::facts::{Facts, Policies, Verdict, Who};
use super::record;
use super::{Broker, Device};
use crate::dispatch::Request;
use crate::logical::{ApiError, ApiResult, Caller, Response};

/// Puts one request and its answer on record.
pub struct Trail {
    live: Arc<Live>,
    facts: Option<Facts>,
    /// What both records have in common, device by device of `live`.
    heads: Option<Vec<Vec<u8>>>,
    /// The request's record is written.
    asked: bool,
}

impl Trail {
    /// `None` where there are no devices.
    pub fn begin(broker: &Broker) -> Option<Box<Self>> {
        let new = || Self { live: broker.live(), facts: None, heads: None, asked: false };
        broker.on().then(|| Box::new(new()))
    }

    /// The trail for the answer to a request that may have changed the devices: those at work now
    /// get it. The first device is enabled without a record of being asked.
    #[must_use]
    pub fn resume(trail: Option<Box<Self>>, broker: &Broker) -> Option<Box<Self>> {
        if trail.is_none() && !broker.on() {
            return None;
        }
        let live = broker.live();
        match trail {
            Some(trail) if Arc::ptr_eq(&trail.live, &live) => Some(trail),
            Some(trail) => Some(Box::new(Self { live, heads: None, ..*trail })),
            None => Self::begin(broker).map(|trail| Box::new(Self { asked: true, ..*trail })),
        }
    }

    /// Whether it was said already what is known of the request.
    pub fn knows(&self) -> bool {
        self.facts.is_some()
    }

    /// Says what is known of the request; the first word counts.
    ///
    /// # Errors
    /// Those of `facts`.
    pub fn know(&mut self, facts: impl FnOnce() -> ApiResult<Facts>) -> ApiResult<()> {
        if self.facts.is_none() {
            self.facts = Some(facts()?);
        }
        Ok(())
    }

    /// Says whether the request makes something new, and by which policies; too late once it is on
    /// record.
    ///
    /// # Errors
    /// Those of `policies`.
    pub fn found(
        &mut self,
        creates: bool,
        policies: impl FnOnce(&Caller) -> ApiResult<Policies>,
    ) -> ApiResult<()> {
        let Some(facts) = self.facts.as_mut().filter(|_| self.heads.is_none()) else {
            return Ok(());
        };
        facts.creates = creates;
        facts.policies = match &facts.who {
            Who::Nobody => Policies::default(),
            Who::Token(token) => policies(&token.caller)?,
            Who::Forwarded(caller) => policies(caller)?,
        };
        Ok(())
    }

    /// Puts the request on record, before anything is changed. Once is enough.
    ///
    /// Cancelled, the record may or may not be written.
    ///
    /// # Errors
    /// 500: no device has it; the request must not be carried out.
    pub async fn request(&mut self, request: &Request) -> ApiResult<()> {
        if self.asked {
            return Ok(());
        }
        let live = Arc::clone(&self.live);
        let heads = self.heads(request, Verdict::Allowed);
        let now = SystemTime::now().into();
        let lines = live.devices.iter().zip(&heads).map(|(device, head)| {
            let mut text = Vec::new();
            record::request_line(&mut text, device, head, now, Verdict::Allowed);
            (device, 0, text)
        });
        written(lines).await?;
        self.heads = Some(heads);
        self.asked = true;
        Ok(())
    }

    /// Puts the answer on record, and the request with it where that was not done before.
    ///
    /// Cancelled, the records may or may not be written.
    ///
    /// # Errors
    /// 500: no device has it; the answer must not leave.
    pub async fn answer(
        &mut self,
        request: &Request,
        result: &ApiResult<Response>,
    ) -> ApiResult<()> {
        let denied = result.as_ref().err().is_some_and(|e| e.status == 403);
        let verdict = if denied { Verdict::Denied } else { Verdict::Allowed };
        let now = SystemTime::now().into();
        if self.live.devices.is_empty() && self.live.missing == 0 {
            return Ok(());
        }
        let heads = match self.heads.take() {
            Some(heads) => heads,
            None => self.heads(request, verdict),
        };
        let asked = self.asked;
        let facts = self.facts.get_or_insert_default();
        let arrived = match (result, &facts.who) {
            (Ok(Response { auth: Some(auth), .. }), Who::Nobody) => Some(auth),
            _ => None,
        };
        let lines = self.live.devices.iter().zip(&heads).map(|(device, head)| {
            let mut text = Vec::with_capacity(3 * head.len());
            if !asked {
                record::request_line(&mut text, device, head, request.now.into(), verdict);
            }
            let first = text.len();
            let own = arrived
                .map(|new| record::arrival_head(device, request, facts, &self.live.headers, new));
            let head = own.as_ref().unwrap_or(head);
            record::response_line(&mut text, device, head, now, (request, facts), result);
            (device, first, text)
        });
        written(lines).await
    }

    fn heads(&mut self, request: &Request, verdict: Verdict) -> Vec<Vec<u8>> {
        let facts = self.facts.get_or_insert_default();
        let head = |device: &Arc<Device>| {
            record::head(device, request, facts, &self.live.headers, verdict)
        };
        self.live.devices.iter().map(head).collect()
    }
}

/// Hands each device its lines, of which the first ends where another one follows, and waits until
/// each has them or is given up.
async fn written<'d>(
    lines: impl Iterator<Item = (&'d Arc<Device>, usize, Vec<u8>)>,
) -> ApiResult<()> {
    let waiting: Vec<_> = lines
        .filter_map(|(device, first, text)| {
            let ends = [first, text.len()];
            let waiting = device.submit(&text, if first == 0 { &ends[1..] } else { &ends })?;
            Some((device, waiting))
        })
        .collect();
    // Requests that are ready on this thread put their lines beside: to wake a device, and to be
    // woken by it, costs more than all else here.
    tokio::task::yield_now().await;
    for (device, _) in &waiting {
        device.begin();
    }
    let mut logged = 0;
    for (_, waiting) in waiting {
        logged += usize::from(waiting.await.is_ok());
    }
    if logged == 0 {
        return Err(ApiError::new(
            500,
            "no audit device could log the request, so it is refused: make one of them work \
             (see the server's log for the cause)",
        ));
    }
    Ok(())
}
