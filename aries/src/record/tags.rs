//! The first byte of a record, and other bits that stand for something.

/// The low nibble of the first byte: what kind of record it is.
pub(super) mod kind {
    pub(crate) const UPDATE: u8 = 1;
    pub(crate) const COMPENSATION: u8 = 2;
    pub(crate) const COMMIT: u8 = 3;
    pub(crate) const END: u8 = 4;
    pub(crate) const CREATE: u8 = 5;
    pub(crate) const DROP: u8 = 6;
    pub(crate) const ROOT_MARK: u8 = 7;
    pub(crate) const CHECKPOINT_BEGIN: u8 = 8;
    pub(crate) const CHECKPOINT_END: u8 = 9;
    pub(crate) const RELOCATION: u8 = 10;

    /// The nibble itself.
    pub(crate) const MASK: u8 = 0x0f;
}

/// Bits of the high nibble of the first byte.
pub(super) mod flag {
    pub(crate) const TXN: u8 = 0x10;
    pub(crate) const DELETED: u8 = 0x20;
    pub(crate) const BEFORE_ABSENT: u8 = 0x40;
    pub(crate) const BEFORE_PRESENT: u8 = 0x80;
}

/// Bit of a page's depth byte: the page is of the tree of uncommitted writes.
pub(super) const DEPTH_PENDING: u8 = 0x80;
