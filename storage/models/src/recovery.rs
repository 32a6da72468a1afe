//! Stands for the storage's recovery.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecoveryReport {
    pub(crate) frames: u64,
}
