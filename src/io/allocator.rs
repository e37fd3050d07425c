//! How the process gives memory back. Owns two settings of glibc's allocator; the second file with unsafe code.
#![allow(unsafe_code)]

/// Larger blocks are mapped by themselves and unmapped when freed.
const MAPPED_FROM: libc::c_int = 1 << 20;
/// Pools that threads allocate from.
const ARENAS: libc::c_int = 2;

/// Call once at the start. One verification of a password takes 19 MB for 36 ms; left to itself glibc learns from the first
/// such block to keep later ones, once per pool, for ever.
pub fn give_back_large_blocks() {
    // SAFETY: mallopt only sets parameters of the allocator; it is called before other threads are started.
    let set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM) & libc::mallopt(libc::M_ARENA_MAX, ARENAS) };
    if set == 0 {
        tracing::warn!("the allocator refused its settings; memory will be higher");
    }
}
