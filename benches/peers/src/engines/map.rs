//! The hash map of the standard library: what a read costs when nothing is kept on disk, nothing
//! is checked and nobody writes.

use std::collections::HashMap;

use anyhow::Result;

use super::Reader;
use crate::record::Record;

/// Keys and values.
pub struct Map {
    entries: HashMap<Vec<u8>, Vec<u8>>,
}

impl Map {
    /// As it stands in the table.
    pub const NAME: &str = "bare HashMap";

    /// A map of these records.
    pub fn new(records: impl Iterator<Item = Record>) -> Self {
        Self { entries: records.map(|r| (r.key.to_vec(), r.value.to_vec())).collect() }
    }
}

impl Reader for Map {
    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let Some(value) = self.entries.get(key) else { return Ok(false) };
        seen(value)?;
        Ok(true)
    }
}
