//! Keyspaces that come and go while history is repeated.

use std::sync::Arc;

use strongroom_aries::RecordError;
use strongroom_wal::Lsn;

use super::load::Loaded;
use super::redo::unreadable;
use crate::error::OpenError;
use crate::id::{Class, KeyspaceId};
use crate::index::Keyspace;
use crate::pages::Pool;

impl Loaded {
    /// Makes a keyspace. What is before it has to be applied.
    pub(super) fn create(
        &mut self,
        lsn: Lsn,
        handle: u32,
        id: KeyspaceId,
        class: u8,
    ) -> Result<(), OpenError> {
        let malformed = || OpenError::Record { at: lsn, cause: RecordError::Malformed };
        let class = Class::from_byte(class).ok_or_else(malformed)?;
        if self.is_taken(handle, id, class) {
            return Err(malformed());
        }
        self.catalog.insert(handle, (id, class));
        self.state.keyspaces.insert(id, Arc::new(Keyspace::new(handle, class, lsn)));
        Ok(())
    }

    /// Drops a keyspace with all that is in it. What is before it has to be applied.
    pub(super) fn drop_keyspace(&mut self, pool: &Pool, handle: u32) -> Result<(), OpenError> {
        let Self { state, live, .. } = self;
        if let Some(gone) = state.keyspaces.values().find(|k| k.handle == handle) {
            gone.uncount(pool, live).map_err(unreadable)?;
        }
        state.keyspaces.retain(|_, k| k.handle != handle);
        Ok(())
    }

    /// Whether a keyspace cannot be made: a name is that of one keyspace at a time, and a number is
    /// used once in the life of a log. The checkpoint's map may know the number already: it lists what was
    /// made while it was written, too.
    fn is_taken(&self, handle: u32, id: KeyspaceId, class: Class) -> bool {
        let Self { state, catalog, .. } = self;
        catalog.get(&handle).is_some_and(|known| *known != (id, class))
            || state.keyspaces.contains_key(&id)
    }
}
