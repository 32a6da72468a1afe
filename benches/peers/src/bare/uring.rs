//! Durable writes through io_uring, with a registered file and registered buffers.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use io_uring::{IoUring, opcode, types};
use rustix::io::ReadWriteFlags;

use super::{Aligned, Done, Shape, advance};

/// The file's place in the table of registered files.
const FILE: types::Fixed = types::Fixed(0);

pub(super) fn run(file: &File, shape: Shape, at: &mut u64) -> Result<Done> {
    // Declared before the ring, so dropped after it.
    let blocks: Vec<Aligned> = (0..shape.depth).map(|_| Aligned::new(shape.bytes)).collect();
    let mut ring = IoUring::new(u32::try_from(shape.depth.next_power_of_two())?)?;
    ring.submitter().register_files(&[file.as_raw_fd()]).context("register the file")?;
    register(&ring, &blocks).context("register the buffers")?;
    let began = Instant::now();
    let mut submitted = vec![began; shape.depth];
    let mut latencies_ns = Vec::with_capacity(1 << 14);
    for (slot, block) in blocks.iter().enumerate() {
        push(&mut ring, slot, block, advance(at, shape.bytes))?;
    }
    let mut in_flight = shape.depth;
    while in_flight > 0 {
        ring.submit_and_wait(1)?;
        let done: Vec<(u64, i32)> =
            ring.completion().map(|entry| (entry.user_data(), entry.result())).collect();
        for (slot, result) in done {
            let slot = usize::try_from(slot)?;
            let written = usize::try_from(result)
                .map_err(|_| io::Error::from_raw_os_error(result.saturating_neg()))?;
            ensure!(written == shape.bytes, "a short write");
            let now = Instant::now();
            let took = (now - submitted[slot]).as_nanos();
            latencies_ns.push(u32::try_from(took).unwrap_or(u32::MAX));
            if began.elapsed() < shape.length {
                submitted[slot] = now;
                push(&mut ring, slot, &blocks[slot], advance(at, shape.bytes))?;
            } else {
                in_flight -= 1;
            }
        }
    }
    Ok(Done { latencies_ns, elapsed: began.elapsed() })
}

fn register(ring: &IoUring, blocks: &[Aligned]) -> io::Result<()> {
    let slice_of = |block: &Aligned| {
        let bytes = block.bytes();
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
    };
    let slices: Vec<_> = blocks.iter().map(slice_of).collect();
    #[expect(unsafe_code, reason = "the kernel keeps the addresses")]
    // SAFETY: the blocks outlive the ring (they are declared before it in `run`) and their memory
    // never moves: a `Vec` that nobody pushes to.
    unsafe {
        ring.submitter().register_buffers(&slices)
    }
}

fn push(ring: &mut IoUring, slot: usize, block: &Aligned, offset: u64) -> Result<()> {
    let bytes = block.bytes();
    let len = u32::try_from(bytes.len())?;
    let entry = opcode::WriteFixed::new(FILE, bytes.as_ptr(), len, u16::try_from(slot)?)
        .offset(offset)
        .rw_flags(i32::try_from(ReadWriteFlags::DSYNC.bits())?)
        .build()
        .user_data(u64::try_from(slot)?);
    #[expect(unsafe_code, reason = "the kernel reads the buffer later")]
    // SAFETY: the buffer is one of the registered blocks: it lives longer than the ring and is
    // only ever read.
    unsafe {
        ring.submission().push(&entry).context("the submission queue is full")
    }
}
