//! Durable writes by system calls: each thread has one in flight.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use rustix::io::ReadWriteFlags;

use super::{Aligned, Done, Method, Shape, advance};

pub(super) fn run(file: &File, method: Method, shape: Shape, at: &mut u64) -> Result<Done> {
    let place = Mutex::new(at);
    let began = Instant::now();
    let write_on = || -> Result<Vec<u32>> {
        let block = Aligned::new(shape.bytes);
        let mut latencies = Vec::with_capacity(1 << 12);
        while began.elapsed() < shape.length {
            let offset = {
                let mut at = place.lock().unwrap_or_else(PoisonError::into_inner);
                advance(&mut at, shape.bytes)
            };
            let submitted = Instant::now();
            write(file, method, block.bytes(), offset)?;
            latencies.push(u32::try_from(submitted.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        Ok(latencies)
    };
    if shape.depth == 1 {
        return Ok(Done { latencies_ns: write_on()?, elapsed: began.elapsed() });
    }
    let latencies: Result<Vec<Vec<u32>>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..shape.depth).map(|_| scope.spawn(write_on)).collect();
        handles.into_iter().map(|h| h.join().map_err(|_| anyhow!("a writer panicked"))?).collect()
    });
    Ok(Done { latencies_ns: latencies?.concat(), elapsed: began.elapsed() })
}

fn write(file: &File, method: Method, block: &[u8], offset: u64) -> Result<()> {
    if method == Method::FdatasyncDirect {
        file.write_all_at(block, offset)?;
        file.sync_data()?;
        return Ok(());
    }
    let written = rustix::io::pwritev2(file, &[IoSlice::new(block)], offset, ReadWriteFlags::DSYNC)
        .map_err(io::Error::from)?;
    ensure!(written == block.len(), "a short write");
    Ok(())
}
