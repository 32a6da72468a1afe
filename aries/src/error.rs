//! What reading a record can come to.

/// Why bytes are not a record. The log's checksums come first, so this means a newer or a foreign
/// writer, never a torn write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// They end too early.
    #[error("log record is cut short")]
    Short,
    /// They contradict the format.
    #[error("log record is malformed")]
    Malformed,
    /// A kind that this version does not know; use a newer version to open this store.
    #[error("log record of unknown kind {0}")]
    UnknownKind(u8),
}
