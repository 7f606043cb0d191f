//! A server and an agent that it knows, running.

use anyhow::Result;

use crate::{Deployment, Options, Process, Programs};

/// A running deployment of one agent. Dropping it kills both programs.
#[derive(Debug)]
pub struct Pair {
    /// The agent's program; first, so that it is dropped before the folder that it writes to.
    pub agent: Process,
    /// The server's program.
    pub server: Process,
    /// What both run on.
    pub deployment: Deployment,
    /// The agent's client id.
    pub client: String,
}

impl Pair {
    /// Starts both and waits until the agent is enrolled and interrogated.
    ///
    /// # Errors
    ///
    /// A program fails, or takes too long; with the end of its log.
    pub fn start(programs: &Programs, options: &Options) -> Result<Self> {
        let deployment = Deployment::generate_with(programs, options)?;
        let server = deployment.start_server()?;
        let mut agent = deployment.start_agent()?;
        let client = deployment.wait_for_client(&mut agent)?;
        Ok(Self { agent, server, deployment, client })
    }

    /// Asks both to end, and waits for them.
    ///
    /// # Errors
    ///
    /// One does not end in time.
    pub fn stop(self) -> Result<()> {
        self.agent.stop()?;
        self.server.stop()?;
        Ok(())
    }
}
