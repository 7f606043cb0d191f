//! One function for each target: bytes in, no panic, and the properties that must hold for any bytes.
//!
//! `README.md` says how to run and how to add one.

pub mod agent;
pub mod certificates;
pub mod comms;
pub mod envelope;
pub mod flash;
pub mod formats;
pub mod keys;
pub mod names;
pub mod query;
mod seal;

/// A target: its name, what it runs, and inputs to begin with.
pub struct Target {
    /// The name of the program and of the corpus.
    pub name: &'static str,
    /// Must return for any input.
    pub run: fn(&[u8]),
    /// Inputs that reach far.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "body", run: envelope::body, seeds: envelope::bodies },
    Target { name: "packet", run: envelope::packet, seeds: envelope::packets },
    Target { name: "damage", run: envelope::damage, seeds: envelope::edits },
    Target { name: "round_trip", run: envelope::round_trip, seeds: envelope::texts },
    Target { name: "server_pem", run: certificates::server_pem, seeds: certificates::texts },
    Target { name: "request", run: certificates::request, seeds: certificates::texts },
    Target { name: "names", run: names::names, seeds: names::texts },
    Target { name: "query_text", run: query::text, seeds: query::texts },
    Target { name: "query_run", run: query::run, seeds: query::texts },
    Target { name: "pattern", run: query::pattern, seeds: query::patterns },
    Target { name: "http_response", run: comms::http_response, seeds: comms::streams },
    Target { name: "base_url", run: comms::base_url, seeds: comms::urls },
    Target { name: "state_blob", run: comms::state_blob, seeds: comms::blobs },
    Target { name: "provision", run: comms::provision, seeds: comms::provisions },
    Target { name: "queue_records", run: comms::queue_records, seeds: comms::records },
    Target { name: "flash", run: flash::flash, seeds: flash::images },
    Target { name: "agent_inputs", run: agent::agent_inputs, seeds: agent::steps },
    Target { name: "profile", run: formats::profile, seeds: formats::profiles },
    Target { name: "grok", run: formats::grok, seeds: formats::groks },
    Target { name: "document", run: formats::document, seeds: formats::documents },
    Target { name: "archive", run: formats::archive, seeds: formats::archives },
    Target { name: "plist", run: formats::plist, seeds: formats::plists },
    Target { name: "x509", run: formats::x509, seeds: formats::certificates },
    Target { name: "program", run: formats::program, seeds: formats::programs },
];

/// The program of a target: under cargo-fuzz a fuzzer, else one that runs the files it is given.
#[macro_export]
macro_rules! target {
    ($run:path) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $run(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            std::env::args_os()
                .skip(1)
                .try_for_each(|path| std::fs::read(path).map(|data| $run(&data)))
        }
    };
}
