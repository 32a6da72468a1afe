//! Durable writes in flight by io_uring: direct, with `RWF_DSYNC`, from registered buffers.
//!
//! A write that the ring cannot take (a file without a direct descriptor, odd lengths) is done by
//! plain system calls instead. Promises: the memory of a write stays untouched until the kernel is
//! done with it, also when the queue is dropped or the ring breaks; a ring that breaks fails every
//! write from then on.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use io_uring::{IoUring, opcode, squeue, types};

use crate::disk::buffer::{BlockBuf, Registration, is_aligned};
use crate::disk::queue::{Completion, Submission, WriteQueue};

/// Largest buffer that is registered, in bytes: registered memory cannot be paged out.
const REGISTERED_BYTES_MAX: usize = 1024 * 1024;

/// The queue.
pub(super) struct UringQueue {
    ring: IoUring,
    /// Writes that the kernel has, by the number that it was given with them.
    slots: Vec<Option<Submission>>,
    /// Writes that are finished and not yet reaped.
    done: VecDeque<Completion>,
    registered: Registered,
    /// Why nothing can be written any more.
    broken: Option<io::ErrorKind>,
}

/// Registrations so far, of all rings: none is taken for another, nor for one of another ring.
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// The buffers that the kernel has pinned. A place that was given to another buffer has another
/// generation, so that no write goes out from memory that is not its own.
struct Registered {
    generations: Vec<u64>,
    next: usize,
    /// Off after the first refusal: locked memory may be scarce.
    usable: bool,
}

impl UringQueue {
    /// Sets up a ring.
    ///
    /// # Errors
    /// When the kernel refuses: none there, forbidden by a filter or a setting, no memory.
    pub(super) fn new(depth: usize) -> io::Result<Self> {
        let entries = u32::try_from(depth).map_err(io::Error::other)?.next_power_of_two();
        let ring = IoUring::builder().dontfork().build(entries)?;
        // Buffers in flight, buffers that wait to be used, one that is being filled.
        let buffers = 2 * depth + 2;
        let count = u32::try_from(buffers).map_err(io::Error::other)?;
        let usable = ring.submitter().register_buffers_sparse(count).is_ok();
        let registered = Registered { generations: vec![0; buffers], next: 0, usable };
        let slots = std::iter::repeat_with(|| None).take(depth).collect();
        Ok(Self { ring, slots, done: VecDeque::new(), registered, broken: None })
    }

    /// Makes the submission's buffer known to the kernel, if it is not yet, and says as what.
    fn register(&mut self, data: &mut BlockBuf) -> Option<u16> {
        let registered = &mut self.registered;
        if let Some(Registration { index, generation }) = data.registration
            && registered.generations[usize::from(index)] == generation
        {
            return Some(index);
        }
        if !registered.usable || data.capacity() > REGISTERED_BYTES_MAX {
            return None;
        }
        let at = registered.next;
        // The buffer that was registered here may be in flight: its write holds the pages itself.
        let memory = data.memory_mut();
        let vector = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() };
        let index = u16::try_from(at).ok()?;
        registered.next = (at + 1) % registered.generations.len();
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        registered.generations[at] = generation;
        #[expect(unsafe_code, reason = "the kernel is given the address of a buffer")]
        // SAFETY: the address and length are those of memory that `data` owns now. The kernel pins
        // its pages, so that nothing else is ever written from; that the pages are still those of a
        // buffer is checked by the generation before each use, and a buffer that moves or is
        // dropped loses its registration with its memory.
        let updated = unsafe {
            self.ring.submitter().register_buffers_update(u32::from(index), &[vector], None)
        };
        if updated.is_err() {
            registered.usable = false;
            return None;
        }
        data.registration = Some(Registration { index, generation });
        Some(index)
    }

    /// Hands a write to the kernel. The caller keeps it in the slot of that number.
    fn push(
        &mut self,
        fd: i32,
        index: Option<u16>,
        write: &Submission,
        slot: usize,
    ) -> io::Result<()> {
        let fd = types::Fd(fd);
        let len = u32::try_from(write.data.len()).map_err(io::Error::other)?;
        let (address, flags) = (write.data.as_ptr(), libc::RWF_DSYNC);
        let entry: squeue::Entry = match index {
            Some(index) => opcode::WriteFixed::new(fd, address, len, index)
                .offset(write.offset)
                .rw_flags(flags)
                .build(),
            None => {
                opcode::Write::new(fd, address, len).offset(write.offset).rw_flags(flags).build()
            }
        };
        let slot = u64::try_from(slot).map_err(io::Error::other)?;
        #[expect(unsafe_code, reason = "the kernel is given the address of a buffer")]
        // SAFETY: the buffer is owned by the submission, which stays in its slot, unchanged, until
        // the kernel says that it is done; if that is never heard, it is leaked. Its memory does
        // not move with it. The file is kept open by the same submission.
        let pushed = unsafe { self.ring.submission().push(&entry.user_data(slot)) };
        pushed.map_err(io::Error::other)?;
        retry_interrupted(|| self.ring.submit())
    }

    /// Takes note of what the kernel has finished.
    fn collect(&mut self) {
        while let Some(entry) = self.ring.completion().next() {
            let slot = usize::try_from(entry.user_data()).unwrap_or(usize::MAX);
            let Some(write) = self.slots.get_mut(slot).and_then(Option::take) else {
                panic!("the kernel finishes what it was given");
            };
            self.done.push_back(finished(write, entry.result()));
        }
    }

    /// Gives up: what the kernel still has is leaked, because it may still read it.
    fn break_down(&mut self, error: &io::Error) {
        self.broken = Some(error.kind());
        for write in self.slots.iter_mut().filter_map(Option::take) {
            let Submission { file, data, tag, .. } = write;
            std::mem::forget((file, data));
            let result = Err(io::Error::new(error.kind(), error.to_string()));
            self.done.push_back(Completion { tag, data: BlockBuf::new(), result });
        }
    }
}

impl WriteQueue for UringQueue {
    fn depth(&self) -> usize {
        self.slots.len()
    }

    fn in_flight(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_some()).count() + self.done.len()
    }

    fn submit(&mut self, mut write: Submission) {
        assert!(self.in_flight() < self.depth(), "too many writes in flight; reap one first");
        let Some(slot) = self.slots.iter().position(Option::is_none) else {
            panic!("fewer writes in flight than slots");
        };
        let aligned = is_aligned(write.offset, write.data.len());
        let fd = write.file.direct_fd().filter(|_| aligned).map(|fd| fd.as_raw_fd());
        if let Some(kind) = self.broken {
            let Submission { data, tag, .. } = write;
            self.done.push_back(Completion { tag, data, result: Err(kind.into()) });
            return;
        }
        let Some(fd) = fd else {
            let Submission { file, offset, data, tag } = write;
            let result = file.write_durable_at(offset, &data);
            self.done.push_back(Completion { tag, data, result });
            return;
        };
        let index = self.register(&mut write.data);
        let pushed = self.push(fd, index, &write, slot);
        self.slots[slot] = Some(write);
        if let Err(error) = pushed {
            self.break_down(&error);
        }
    }

    fn reap(&mut self) -> Option<Completion> {
        loop {
            self.collect();
            if let Some(completion) = self.done.pop_front() {
                return Some(completion);
            }
            if self.in_flight() == 0 {
                return None;
            }
            if let Err(error) = retry_interrupted(|| self.ring.submit_and_wait(1)) {
                self.break_down(&error);
            }
        }
    }

    fn poll(&mut self) -> Option<Completion> {
        self.collect();
        self.done.pop_front()
    }
}

impl Drop for UringQueue {
    fn drop(&mut self) {
        while self.reap().is_some() {}
    }
}

/// A write that the kernel is done with, and what it says of it: bytes written, or an error's number
/// below zero.
fn finished(write: Submission, said: i32) -> Completion {
    let Submission { file, offset, data, tag } = write;
    let result = match usize::try_from(said) {
        Ok(written) if written == data.len() => Ok(()),
        // A part, or none because a signal came: nothing failed, so the rest may follow.
        Ok(written) => file.write_durable_at(offset + to_u64(written), &data[written..]),
        Err(_) if [-libc::EINTR, -libc::EAGAIN].contains(&said) => {
            file.write_durable_at(offset, &data)
        }
        Err(_) => Err(io::Error::from_raw_os_error(-said)),
    };
    Completion { tag, data, result }
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn retry_interrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<()> {
    loop {
        match call() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::Duration;

    use rustix::fs::{OFlags, fcntl_setfl};

    use super::*;
    use crate::disk::sim::SimDisk;
    use crate::disk::sys::file::SysFile;
    use crate::disk::{Disk as _, DurableMethod, DurableReport};

    // What the kernel had when it failed is in doubt, and nothing may be promised after it.
    #[test]
    fn a_ring_that_broke_down_fails_every_write() {
        let Ok(mut queue) = UringQueue::new(2) else { return };
        let file = SimDisk::new(1).create("a").unwrap();
        let write =
            |tag| Submission { file: Arc::clone(&file), offset: 0, data: BlockBuf::new(), tag };
        queue.slots[0] = Some(write(7));
        queue.break_down(&io::Error::from(ErrorKind::PermissionDenied));
        queue.submit(write(8));
        let outcomes: Vec<_> = std::iter::from_fn(|| queue.poll())
            .map(|done| (done.tag, done.result.map_err(|error| error.kind())))
            .collect();
        // The kernel was never given it, so nobody may wait for it.
        queue.slots.fill_with(|| None);
        let failed = Err(ErrorKind::PermissionDenied);
        assert_eq!(outcomes, [(7, failed), (8, failed)]);
    }

    // Kernels write a part where a limit or a signal comes in between; few machines show it.
    #[test]
    fn the_rest_of_a_write_follows() {
        let run = |said: i32| {
            let disk = SimDisk::new(1);
            let file = disk.create("a").unwrap();
            let mut data = BlockBuf::new();
            data.extend_from_slice(b"abcdef");
            let before = disk.calls();
            let done = finished(Submission { file, offset: 2, data, tag: 9 }, said);
            assert_eq!((done.tag, &done.data[..]), (9, &b"abcdef"[..]));
            let error = done.result.err().and_then(|error| error.raw_os_error());
            (error, disk.contents("a").unwrap(), disk.calls() - before)
        };
        assert_eq!(run(6), (None, vec![], 0));
        assert_eq!(run(4), (None, b"\0\0\0\0\0\0ef".to_vec(), 1));
        for nothing in [0, -libc::EINTR, -libc::EAGAIN] {
            assert_eq!(run(nothing), (None, b"\0\0abcdef".to_vec(), 1));
        }
        assert_eq!(run(-libc::EIO), (Some(libc::EIO), vec![], 0));
    }

    // A signal is no failure of a write, and a failure is no signal.
    #[test]
    fn a_call_is_made_again_only_when_a_signal_came() {
        let run = |outcomes: &[Result<usize, ErrorKind>]| {
            let mut left = outcomes.iter();
            let outcome = retry_interrupted(|| match left.next() {
                Some(outcome) => outcome.map_err(io::Error::from),
                None => panic!("called too often"),
            });
            (outcome.map_err(|error| error.kind()), left.len())
        };
        let signal = Err(ErrorKind::Interrupted);
        assert_eq!(run(&[Ok(1), signal]), (Ok(()), 1));
        assert_eq!(run(&[signal, signal, Ok(0)]), (Ok(()), 0));
        let failed = Err(ErrorKind::PermissionDenied);
        assert_eq!(run(&[signal, failed, Ok(1)]), (Err(ErrorKind::PermissionDenied), 1));
    }

    // Registered memory is pinned, so large buffers are not; those that are keep their place until
    // they move.
    #[test]
    fn small_buffers_are_registered_once_and_large_ones_not_at_all() {
        let Ok(mut queue) = UringQueue::new(2) else { return };
        let mut sized = |bytes| {
            let mut buf = BlockBuf::new();
            buf.grow_to(bytes);
            let index = queue.register(&mut buf);
            (index, queue.register(&mut buf), queue.registered.usable)
        };
        let (first, again, usable) = sized(REGISTERED_BYTES_MAX);
        assert_eq!((first.is_some(), again), (usable, first));
        let (large, again, _) = sized(REGISTERED_BYTES_MAX + 1);
        assert_eq!((large, again), (None, None));
        queue.registered.usable = false;
        let mut buf = BlockBuf::new();
        buf.grow_to(1);
        assert_eq!(queue.register(&mut buf), None);
    }

    // The places are taken in turns, so that as many buffers are registered as are in use.
    #[test]
    fn each_buffer_has_a_place_of_its_own_until_all_are_taken() {
        let Ok(mut queue) = UringQueue::new(2) else { return };
        let mut bufs: Vec<BlockBuf> = (0..7).map(|_| BlockBuf::new()).collect();
        for buf in &mut bufs {
            buf.grow_to(1);
        }
        let mut register = |buf: &mut BlockBuf| queue.register(buf);
        let places: Vec<_> = bufs.iter_mut().map(&mut register).collect();
        // Where locked memory is scarce there are fewer, or none.
        let got = places.iter().flatten().count();
        let turns: Vec<Option<u16>> = (0..6).chain([0]).map(Some).collect();
        assert_eq!(places[..got], turns[..got]);
        if got == 7 {
            assert_eq!(register(&mut bufs[1]), Some(1));
            assert_eq!(register(&mut bufs[0]), Some(1), "its place is another's");
        }
    }

    // The kernel reads the memory of a write until it is done with it. A full pipe is a file that
    // takes its time.
    #[test]
    fn a_queue_that_is_dropped_waits_for_what_is_in_flight() {
        let Ok(mut queue) = UringQueue::new(2) else { return };
        let (mut reader, mut writer) = io::pipe().unwrap();
        fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
        let room: usize = std::iter::from_fn(|| writer.write(&[1; 4096]).ok()).sum();
        fcntl_setfl(&writer, OFlags::empty()).unwrap();
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let pipe = File::from(OwnedFd::from(writer));
        let report = DurableReport::given(DurableMethod::Uring);
        let file = Arc::new(SysFile::new(null, Some(pipe), &report));
        let mut data = BlockBuf::new();
        data.extend_from_slice(&[2; 4096]);
        queue.submit(Submission { file, offset: 0, data, tag: 1 });
        let (tell, told) = channel();
        let dropping = thread::spawn(move || {
            drop(queue);
            tell.send(()).unwrap();
        });
        assert_eq!(told.recv_timeout(Duration::from_millis(100)), Err(RecvTimeoutError::Timeout));
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!((&read[..room], &read[room..]), (&vec![1; room][..], &[2; 4096][..]));
        dropping.join().unwrap();
    }
}
