//! From sealed to unsealed, share by share, and back.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::shares::{Progress, decode_share, is_encoded};
use super::{Cluster, SealStatus, Sealed, State};
use crate::logical::{ApiError, ApiResult};

/// One step of unsealing.
#[derive(Default)]
pub struct UnsealRequest {
    /// A key share, hex or base64.
    pub key: Option<Zeroizing<String>>,
    /// Forget the shares given so far.
    pub reset: bool,
}

impl Cluster {
    /// Takes one key share; unseals when there are enough.
    ///
    /// # Errors
    /// 400 for a share of the wrong form, and at the threshold for wrong shares, which are then all
    /// forgotten; 500 when the store cannot be read.
    pub async fn unseal(&self, request: UnsealRequest) -> ApiResult<SealStatus> {
        let given = request.key.as_ref().map_or("", |k| k.as_str());
        if given.is_empty() && !request.reset {
            return Err(ApiError::bad_request(
                "'key' must be specified in request body as JSON, or 'reset' set to true",
            ));
        }
        let _changing = self.changing.lock().await;
        let sealed = match &**self.state.load() {
            State::Sealed(sealed) => Arc::clone(sealed),
            State::Unsealed(_) if request.reset => {
                return Err(ApiError::bad_request("vault is unsealed"));
            }
            State::Unsealed(_) => {
                is_encoded(given)?;
                return Ok(self.seal_status());
            }
            State::Uninitialised => {
                return Err(ApiError::bad_request("server is not yet initialized"));
            }
            State::Stopped => return Err(ApiError::unavailable("the server is stopping")),
        };
        if request.reset {
            *sealed.progress() = Progress::default();
            return Ok(self.seal_status());
        }
        let share = decode_share(given)?;
        let Some(shares) = sealed.add_share(share) else { return Ok(self.seal_status()) };
        let root = sealed.root_key(&shares)?;
        let unsealed =
            self.come_up(sealed.store.clone(), root).await.map_err(ApiError::internal)?;
        self.set(State::Unsealed(unsealed));
        tracing::info!("unsealed");
        Ok(self.seal_status())
    }

    /// Drops the keys. Requests in flight finish or fail.
    ///
    /// # Errors
    /// 503 when it is not unsealed, 500 when the store went away.
    pub async fn seal(&self) -> ApiResult<()> {
        let _changing = self.changing.lock().await;
        let unsealed = self.unsealed()?;
        let sealed = Sealed::of(unsealed.store.clone()).map_err(ApiError::internal)?;
        self.set(State::Sealed(Arc::new(sealed)));
        if let Some(replication) = unsealed.replication.get() {
            replication.stop().await;
        }
        tracing::info!("sealed");
        Ok(())
    }
}
