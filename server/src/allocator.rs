//! The allocator of the binary, as far as it has to be told something.

/// Gives memory that is free back to the system. The allocator does that by itself, a while after it was
/// freed, but only when somebody allocates: a process that has nothing to do keeps all it ever took.
pub(crate) fn give_back() {
    #[expect(unsafe_code, reason = "the allocator is a C library")]
    // SAFETY: it may be called at any time by any thread, also where another allocator is the global one.
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
