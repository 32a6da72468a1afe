//! A key pair, or a public key alone: its encodings, OAEP, and key agreement.
#![expect(unsafe_code, reason = "calls into AWS-LC")]

use std::mem::MaybeUninit;
use std::os::raw::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys::{
    CBB, CBB_cleanup, CBB_finish, CBB_init, CBS, CBS_init, EVP_PKEY, EVP_PKEY_CTX,
    EVP_PKEY_CTX_free, EVP_PKEY_CTX_new, EVP_PKEY_CTX_set_rsa_mgf1_md,
    EVP_PKEY_CTX_set_rsa_oaep_md, EVP_PKEY_CTX_set_rsa_padding, EVP_PKEY_bits, EVP_PKEY_decrypt,
    EVP_PKEY_decrypt_init, EVP_PKEY_derive, EVP_PKEY_derive_init, EVP_PKEY_derive_set_peer,
    EVP_PKEY_encrypt, EVP_PKEY_encrypt_init, EVP_PKEY_free, EVP_PKEY_id, EVP_PKEY_size,
    EVP_marshal_private_key, EVP_marshal_public_key, EVP_parse_private_key, EVP_parse_public_key,
    OPENSSL_free, RSA_PKCS1_OAEP_PADDING,
};
use zeroize::Zeroizing;

use super::super::hash::Hash;
use super::digest::description;
use super::done;

/// A key that the library checked when it was read or made.
pub(in super::super) struct Pkey(NonNull<EVP_PKEY>);

// SAFETY: an `EVP_PKEY` has no ties to a thread, and after it was made it is used only by operations
// that the library allows from several threads at once: none of ours changes the key, its reference
// count is atomic, and the caches inside (Montgomery forms, RSA blinding) take the library's locks.
unsafe impl Send for Pkey {}
// SAFETY: as above.
unsafe impl Sync for Pkey {}

impl Drop for Pkey {
    fn drop(&mut self) {
        // SAFETY: the one reference that this value owns.
        unsafe { EVP_PKEY_free(self.0.as_ptr()) }
    }
}

impl Pkey {
    /// Takes over a reference that the library handed out; `None` for null.
    pub(super) fn own(key: *mut EVP_PKEY) -> Option<Self> {
        NonNull::new(key).map(Self)
    }

    pub(super) fn as_ptr(&self) -> *mut EVP_PKEY {
        self.0.as_ptr()
    }

    /// From PKCS #8; nothing may follow it.
    pub(in super::super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        parse(der, EVP_parse_private_key)
    }

    /// From a `SubjectPublicKeyInfo`; nothing may follow it.
    pub(in super::super) fn from_spki(der: &[u8]) -> Option<Self> {
        parse(der, EVP_parse_public_key)
    }

    /// PKCS #8; `None` for a public key alone.
    pub(in super::super) fn to_pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.marshal(EVP_marshal_private_key)
    }

    /// The public key as `SubjectPublicKeyInfo`.
    pub(in super::super) fn to_spki(&self) -> Option<Vec<u8>> {
        self.marshal(EVP_marshal_public_key).map(|der| der.to_vec())
    }

    /// Kind of key, as the library numbers them.
    pub(super) fn id(&self) -> c_int {
        // SAFETY: reads a live key.
        unsafe { EVP_PKEY_id(self.as_ptr()) }
    }

    /// Bits of an RSA modulus, or of a curve's order.
    pub(in super::super) fn bits(&self) -> usize {
        // SAFETY: reads a live key.
        usize::try_from(unsafe { EVP_PKEY_bits(self.as_ptr()) }).unwrap_or(0)
    }

    /// Bytes that a signature or an OAEP ciphertext takes at most.
    pub(super) fn size(&self) -> usize {
        // SAFETY: reads a live key.
        usize::try_from(unsafe { EVP_PKEY_size(self.as_ptr()) }).unwrap_or(0)
    }

    fn marshal(
        &self,
        write: unsafe extern "C" fn(*mut CBB, *const EVP_PKEY) -> c_int,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut builder = MaybeUninit::<CBB>::uninit();
        // SAFETY: `CBB_init` makes the builder valid, or fails and nothing else happens to it. The
        // key is live. `CBB_finish` hands out a buffer of `len` bytes that is ours until
        // `OPENSSL_free`, which also zeroes it; if it was not reached, `CBB_cleanup` frees all.
        unsafe {
            done(CBB_init(builder.as_mut_ptr(), 0))?;
            let (mut out, mut len) = (ptr::null_mut(), 0);
            let written = write(builder.as_mut_ptr(), self.as_ptr()) == 1
                && CBB_finish(builder.as_mut_ptr(), &raw mut out, &raw mut len) == 1;
            if !written || out.is_null() {
                CBB_cleanup(builder.as_mut_ptr());
                return None;
            }
            let der = Zeroizing::new(std::slice::from_raw_parts(out, len).to_vec());
            OPENSSL_free(out.cast());
            Some(der)
        }
    }

    /// Encrypts with RSA-OAEP (RFC 8017), no label; `None` if it is too long for the key.
    pub(in super::super) fn oaep_seal(&self, hash: Hash, message: &[u8]) -> Option<Vec<u8>> {
        // SAFETY: initialises a live context.
        let context = Context::of(self, |c| unsafe { EVP_PKEY_encrypt_init(c) })?;
        context.set_oaep(hash)?;
        let mut out = vec![0; self.size()];
        let mut len = out.len();
        // SAFETY: `len` is the room in `out`; the message is readable for its length.
        done(unsafe {
            EVP_PKEY_encrypt(
                context.0.as_ptr(),
                out.as_mut_ptr(),
                &raw mut len,
                message.as_ptr(),
                message.len(),
            )
        })?;
        out.truncate(len);
        Some(out)
    }

    /// Opens what [`Pkey::oaep_seal`] made.
    pub(in super::super) fn oaep_open(
        &self,
        hash: Hash,
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        // SAFETY: initialises a live context.
        let context = Context::of(self, |c| unsafe { EVP_PKEY_decrypt_init(c) })?;
        context.set_oaep(hash)?;
        let mut out = Zeroizing::new(vec![0; self.size()]);
        let mut len = out.len();
        // SAFETY: `len` is the room in `out`; the ciphertext is readable for its length.
        done(unsafe {
            EVP_PKEY_decrypt(
                context.0.as_ptr(),
                out.as_mut_ptr(),
                &raw mut len,
                sealed.as_ptr(),
                sealed.len(),
            )
        })?;
        out.truncate(len);
        Some(out)
    }

    /// The secret that ECDH gives with a public key of the same curve: the x coordinate.
    pub(in super::super) fn agree(&self, peer: &Self) -> Option<Zeroizing<Vec<u8>>> {
        // SAFETY: initialises a live context.
        let context = Context::of(self, |c| unsafe { EVP_PKEY_derive_init(c) })?;
        let mut out = Zeroizing::new(vec![0; self.size()]);
        let mut len = out.len();
        // SAFETY: the context takes a reference of its own on the peer's key, which it does not
        // change; `len` is the room in `out`.
        unsafe {
            done(EVP_PKEY_derive_set_peer(context.0.as_ptr(), peer.as_ptr()))?;
            done(EVP_PKEY_derive(context.0.as_ptr(), out.as_mut_ptr(), &raw mut len))?;
        }
        out.truncate(len);
        Some(out)
    }
}

fn parse(der: &[u8], read: unsafe extern "C" fn(*mut CBS) -> *mut EVP_PKEY) -> Option<Pkey> {
    let mut reader = MaybeUninit::<CBS>::uninit();
    // SAFETY: `CBS_init` makes the reader valid over `der`, which outlives it; the parser reads
    // within it, and hands out a key of its own.
    let (key, rest) = unsafe {
        CBS_init(reader.as_mut_ptr(), der.as_ptr(), der.len());
        (read(reader.as_mut_ptr()), reader.assume_init().len)
    };
    Pkey::own(key).filter(|_| rest == 0)
}

/// One operation with a key; freed when dropped.
pub(super) struct Context(pub(super) NonNull<EVP_PKEY_CTX>);

impl Context {
    /// A context that `init` prepares for an operation.
    pub(super) fn of(key: &Pkey, init: impl FnOnce(*mut EVP_PKEY_CTX) -> c_int) -> Option<Self> {
        // SAFETY: the key is live; the context takes a reference of its own. No engine.
        let context = unsafe { EVP_PKEY_CTX_new(key.as_ptr(), ptr::null_mut()) };
        let context = Self(NonNull::new(context)?);
        done(init(context.0.as_ptr()))?;
        Some(context)
    }

    fn set_oaep(&self, hash: Hash) -> Option<()> {
        let hash = description(hash)?;
        // SAFETY: a live context and a constant description; a key that is not RSA refuses.
        unsafe {
            done(EVP_PKEY_CTX_set_rsa_padding(self.0.as_ptr(), RSA_PKCS1_OAEP_PADDING))?;
            done(EVP_PKEY_CTX_set_rsa_oaep_md(self.0.as_ptr(), hash))?;
            done(EVP_PKEY_CTX_set_rsa_mgf1_md(self.0.as_ptr(), hash))
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the one owner of a live context.
        unsafe { EVP_PKEY_CTX_free(self.0.as_ptr()) }
    }
}
