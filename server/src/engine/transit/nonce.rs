//! Random bytes for nonces, from a buffered generator in user space.
//!
//! A nonce must be unpredictable enough never to repeat; it is not secret. The operating system's
//! generator costs more per nonce than sealing a short message does, so each thread has a generator
//! of its own: AES-256 in counter mode with fast key erasure (Bernstein 2017). Each refill encrypts
//! zeros under a key that is used once; the first 32 bytes become the next key, the rest are handed
//! out and erased as they go, so that a later look at memory tells nothing about earlier nonces.
//!
//! Fresh bytes from the operating system are mixed in every [`RESEED_BYTES`], every [`RESEED_AGE`]
//! (which bounds what a cloned or restored machine image can repeat) and in a forked child.
//! Key material never comes from here.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::logical::{ApiError, ApiResult};

const KEY_LEN: usize = 32;
/// Bytes made by one refill, the next key included.
const BUFFER_LEN: usize = 4096;
/// Bytes handed out between two seeds.
const RESEED_BYTES: usize = 1 << 20;
/// Time between two seeds.
const RESEED_AGE: Duration = Duration::from_secs(1);

thread_local! {
    static GENERATOR: RefCell<Generator> = RefCell::new(Generator::unseeded());
}

/// Runs `work` with this thread's generator. To be called once a request: it looks at the process id
/// and the clock, which a single nonce does not.
///
/// # Errors
/// 500 when the operating system gives no random bytes; `work` was not run then.
pub(super) fn with_generator<T>(work: impl FnOnce(&mut Generator) -> ApiResult<T>) -> ApiResult<T> {
    GENERATOR.with_borrow_mut(|generator| {
        generator.check()?;
        work(generator)
    })
}

/// A thread's generator.
#[derive(ZeroizeOnDrop)]
pub(super) struct Generator {
    key: [u8; KEY_LEN],
    buffer: Box<[u8; BUFFER_LEN]>,
    /// What is before is used and erased.
    at: usize,
    /// Bytes that may be handed out before the next seed.
    left: usize,
    #[zeroize(skip)]
    seeded: Option<(Instant, u32)>,
}

impl Generator {
    fn unseeded() -> Self {
        Self {
            key: [0; KEY_LEN],
            buffer: Box::new([0; BUFFER_LEN]),
            at: BUFFER_LEN,
            left: 0,
            seeded: None,
        }
    }

    /// Fills `out` with random bytes.
    ///
    /// # Errors
    /// 500 when the operating system gives no random bytes.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> ApiResult<()> {
        assert!(out.len() <= BUFFER_LEN - KEY_LEN, "made for nonces");
        if BUFFER_LEN - self.at < out.len() {
            self.refill()?;
        }
        let taken = &mut self.buffer[self.at..self.at + out.len()];
        out.copy_from_slice(taken);
        taken.zeroize();
        self.at += out.len();
        Ok(())
    }

    /// Seeds anew when the seed is too old or belongs to the parent process.
    fn check(&mut self) -> ApiResult<()> {
        let fresh = self.seeded.is_some_and(|(when, process)| {
            when.elapsed() < RESEED_AGE && process == std::process::id()
        });
        if fresh { Ok(()) } else { self.seed() }
    }

    /// Mixes in fresh bytes and drops what the buffer still holds.
    fn seed(&mut self) -> ApiResult<()> {
        let mut fresh = [0; KEY_LEN];
        getrandom::fill(&mut fresh).map_err(|_| no_randomness())?;
        for (key, fresh) in self.key.iter_mut().zip(&fresh) {
            *key ^= fresh;
        }
        fresh.zeroize();
        self.buffer.zeroize();
        self.at = BUFFER_LEN;
        self.left = RESEED_BYTES;
        self.seeded = Some((Instant::now(), std::process::id()));
        Ok(())
    }

    fn refill(&mut self) -> ApiResult<()> {
        if self.left < BUFFER_LEN {
            self.seed()?;
        }
        self.buffer.fill(0);
        // The key is used for this one stream only, so the counter may start at zero.
        let key = UnboundCipherKey::new(&AES_256, &self.key).map_err(|_| no_randomness())?;
        let start = EncryptionContext::Iv128(FixedLength::from([0; 16]));
        EncryptingKey::ctr(key)
            .and_then(|key| key.less_safe_encrypt(&mut self.buffer[..], start))
            .map_err(|_| no_randomness())?;
        self.key.copy_from_slice(&self.buffer[..KEY_LEN]);
        self.buffer[..KEY_LEN].zeroize();
        self.at = KEY_LEN;
        self.left -= BUFFER_LEN;
        Ok(())
    }
}

fn no_randomness() -> ApiError {
    ApiError::internal("no randomness from the operating system")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn nonces(count: usize) -> Vec<[u8; 12]> {
        with_generator(|generator| {
            let mut all = vec![[0; 12]; count];
            for nonce in &mut all {
                generator.fill(nonce)?;
            }
            Ok(all)
        })
        .unwrap()
    }

    #[test]
    fn nonces_differ_across_refills_seeds_and_threads() {
        // More than a seed lasts for.
        let count = RESEED_BYTES / 12 + 1000;
        let mut all = nonces(count);
        let other = std::thread::spawn(move || nonces(count));
        all.extend(other.join().unwrap());
        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 2 * count);
        let ones: u64 = all.iter().flatten().map(|b| u64::from(b.count_ones())).sum();
        let bits = 2 * count as u64 * 96;
        assert!(ones.abs_diff(bits / 2) < bits / 1000, "{ones} of {bits} bits are set");
    }

    #[test]
    fn what_was_handed_out_is_erased() {
        let mut generator = Generator::unseeded();
        generator.check().unwrap();
        let mut nonce = [0; 12];
        generator.fill(&mut nonce).unwrap();
        assert!(generator.buffer[..generator.at].iter().all(|b| *b == 0));
        assert!(!generator.buffer.windows(12).any(|w| w == nonce));
    }

    /// A child inherits the buffer; it must not hand out what its parent will.
    #[test]
    fn another_process_seeds_anew() {
        let mut generator = Generator::unseeded();
        generator.check().unwrap();
        generator.fill(&mut [0; 12]).unwrap();
        let key = generator.key;
        generator.check().unwrap();
        assert_eq!(generator.key, key);
        generator.seeded = generator.seeded.map(|(when, process)| (when, process ^ 1));
        generator.check().unwrap();
        assert_ne!(generator.key, key);
        assert_eq!(generator.at, BUFFER_LEN);
    }
}
