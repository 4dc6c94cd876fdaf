//! The `shadow-agent` program: hands its arguments to the library and its answer to the shell.

fn main() -> std::process::ExitCode {
    shadow_agent::cli::main()
}
