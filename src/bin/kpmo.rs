//! The command line, and the daemon itself (`kpmo governor run`).

fn main() -> std::process::ExitCode {
    kpmo::cli::main()
}
