//! Calls of browsers from other origins, as `sys/config/cors` allows them.

use std::sync::Arc;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN, VARY,
};

use crate::cluster::Cluster;
use crate::logical::ApiError;
use crate::sys::Cors;

/// How long a browser may rely on the answer, seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("300");
const METHODS: HeaderValue =
    HeaderValue::from_static("DELETE, GET, OPTIONS, POST, PUT, LIST, PATCH");

/// A call from an origin that may call.
pub(super) struct Crossing {
    origin: HeaderValue,
    cors: Arc<Cors>,
}

impl Crossing {
    /// `None` where the call names no origin or nothing is configured, or the cluster is sealed.
    ///
    /// # Errors
    /// 403 for an origin that may not call.
    pub(super) fn of(cluster: &Cluster, headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let Some(origin) = headers.get(ORIGIN) else { return Ok(None) };
        let Ok(unsealed) = cluster.unsealed() else { return Ok(None) };
        let Some(cors) = Cors::load(&mut unsealed.session())? else { return Ok(None) };
        if !origin.to_str().is_ok_and(|origin| cors.allows(origin)) {
            return Err(ApiError::new(403, "origin not allowed"));
        }
        Ok(Some(Self { origin: origin.clone(), cors }))
    }

    /// Tells the browser that it may have the answer; `asked` is a browser's question beforehand.
    pub(super) fn mark(&self, headers: &mut HeaderMap, asked: bool) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if self.cors.allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if asked {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            if let Ok(allowed) = HeaderValue::try_from(self.cors.allowed_headers.join(",")) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            }
        }
    }
}
