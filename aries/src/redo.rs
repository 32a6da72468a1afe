//! Redo: repeats history for winners and losers alike, page by page.

use crate::{DirtyPageTable, Lsn, PageId};

/// Whether the record at `lsn` has to be applied again to `page`.
///
/// Three filters, cheapest first: the page is not dirty, so its disk image has everything; the
/// record is older than the first one whose effect may be missing; the page itself says that it has
/// the record. Only the last one needs the page.
pub fn needed(
    lsn: Lsn,
    page: PageId,
    dirty: &DirtyPageTable,
    page_lsn: impl FnOnce(PageId) -> Lsn,
) -> bool {
    match dirty.recovery_lsn(page) {
        None => false,
        Some(recovery) if lsn < recovery => false,
        Some(_) => page_lsn(page) < lsn,
    }
}
