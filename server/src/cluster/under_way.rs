//! Operations that need key shares of an unsealed cluster: a new root token, new key shares.
//!
//! What is under way lives in memory only: it ends with the seal or with the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rekey::Rekey;
use super::root_token::RootAttempt;

/// What is under way.
#[derive(Default)]
pub(super) struct Operations(Mutex<UnderWay>);

/// One of each kind at most.
#[derive(Default)]
pub(super) struct UnderWay {
    pub(super) root: Option<RootAttempt>,
    pub(super) rekey: Option<Rekey>,
}

impl Operations {
    /// Never held across a wait.
    pub(super) fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
