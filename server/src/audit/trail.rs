//! The records of one request.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::oneshot;

use super::Broker;
use super::broker::Live;
use super::facts::{Facts, Policies, Verdict, Who};
use super::record::{self, Head};
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
        let facts = self.facts.get_or_insert_default();
        let now = SystemTime::now().into();
        let head = Head::New(request, facts, &self.live.headers, Verdict::Allowed);
        let mut heads = Vec::with_capacity(1);
        let mut waiting = Vec::with_capacity(1);
        for device in &self.live.devices {
            waiting.extend(device.submit(|to| {
                let place = record::request_line(to, device, &head, now, Verdict::Allowed);
                heads.push(to[place].to_vec());
                None
            }));
        }
        written(waiting).await?;
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
        let heads = self.heads.take();
        let asked = self.asked;
        let facts = self.facts.get_or_insert_default();
        let arrived = match (result, &facts.who) {
            (Ok(Response { auth: Some(auth), .. }), Who::Nobody) => Some(auth),
            _ => None,
        };
        let headers = &self.live.headers;
        let mut waiting = Vec::with_capacity(1);
        for (n, device) in self.live.devices.iter().enumerate() {
            waiting.extend(device.submit(|to| {
                let kept =
                    heads.as_ref().and_then(|heads| heads.get(n)).map(|head| Head::Kept(head));
                let mut head = kept.unwrap_or(Head::New(request, facts, headers, verdict));
                let first = (!asked).then(|| {
                    let at = request.now.into();
                    head = Head::At(record::request_line(to, device, &head, at, verdict));
                    to.len()
                });
                if let Some(new) = arrived {
                    head = Head::Arrival(request, facts, headers, new);
                }
                record::response_line(to, device, &head, now, (request, facts), result);
                first
            }));
        }
        written(waiting).await
    }
}

/// Waits until each device has its records or is given up.
async fn written(waiting: Vec<oneshot::Receiver<()>>) -> ApiResult<()> {
    let mut logged = 0;
    for waiting in waiting {
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
