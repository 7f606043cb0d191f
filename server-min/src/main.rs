//! The program `troodon`: everything is in the library, so that tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    troodon_server::cli::main()
}
