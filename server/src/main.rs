//! The `strongroom` binary.

/// Requests and batches allocate on one thread what another frees; this allocator minds least.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    strongroom_server::cli::main()
}
