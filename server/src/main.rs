//! The `strongroom` binary.

fn main() -> std::process::ExitCode {
    strongroom_server::cli::main()
}
