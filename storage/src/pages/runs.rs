//! Many images read at once: in the order in which they lie on disk, many with one read, on as many
//! threads as take part.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::files::{Image, segment_name};
use super::pool::PageError;

/// Bytes that are read with one call, if so much lies together.
const RUN_BYTES: u64 = 512 << 10;

/// Images that are to be read, each with what it is for. Threads that call [`work`](Self::work) share
/// them.
pub(crate) struct Runs<T> {
    images: Vec<(Arc<Image>, T)>,
    /// Where each run begins, and the end of the last.
    begins: Vec<usize>,
    next: AtomicUsize,
}

impl<T> Runs<T> {
    pub(crate) fn new(mut images: Vec<(Arc<Image>, T)>) -> Self {
        images.sort_unstable_by_key(|(image, _)| (image.segment.no, image.offset));
        let mut begins = vec![0];
        let mut first = 0;
        for (at, (image, _)) in images.iter().enumerate() {
            let (begin, _) = &images[first];
            let together =
                begin.segment.no == image.segment.no && image.offset - begin.offset < RUN_BYTES;
            if !together {
                first = at;
                begins.push(at);
            }
        }
        begins.push(images.len());
        Self { images, begins, next: AtomicUsize::new(0) }
    }

    /// Reads runs until none is left that nobody has begun, and hands out each image with what it is
    /// for. Bytes are unchecked.
    ///
    /// # Errors
    /// When one cannot be read, and what `each` answers.
    pub(crate) fn work(
        &self,
        mut each: impl FnMut(&T, &Image, &[u8]) -> Result<(), PageError>,
    ) -> Result<(), PageError> {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let (Some(from), Some(to)) = (self.begins.get(at), self.begins.get(at + 1)) else {
                return Ok(());
            };
            read(&self.images[*from..*to], &mut each)?;
        }
    }
}

fn read<T>(
    run: &[(Arc<Image>, T)],
    each: &mut impl FnMut(&T, &Image, &[u8]) -> Result<(), PageError>,
) -> Result<(), PageError> {
    let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { return Ok(()) };
    let segment = &first.segment;
    let short = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
    let span = short(last.offset - first.offset + u64::from(last.len));
    let io = |e: io::Error| PageError::Io { segment: segment.no, cause: e.to_string() };
    let bytes = segment.read(first.offset, span).map_err(io)?;
    for (image, of) in run {
        let start = short(image.offset - first.offset);
        let bytes = bytes.get(start..start + short(u64::from(image.len)));
        let bytes = bytes.ok_or_else(|| PageError::Damaged {
            file: segment_name(segment.no),
            why: "images overlap",
        })?;
        each(of, image, bytes)?;
    }
    Ok(())
}
