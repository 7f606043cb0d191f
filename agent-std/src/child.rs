//! A program that runs for a query: arguments without a shell, output read without blocking.
//!
//! The program leads its own process group, and the whole group is killed when the value is dropped before the program
//! ended, so that a cancelled query leaves nothing behind.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::limits::CHILD_READ_LEN;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// Variables besides those of the agent.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory, if not the agent's.
    pub cwd: Option<PathBuf>,
}

/// A running program.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    status: Option<ExitStatus>,
    stdout: Pipe<std::process::ChildStdout>,
    stderr: Pipe<std::process::ChildStderr>,
}

/// What a look at the program found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// It wrote something.
    Output,
    /// It runs and wrote nothing since the last look.
    Quiet,
    /// It ended with this code (128 plus the signal if one killed it) and all output was read.
    Ended(i32),
}

#[derive(Debug)]
struct Pipe<R> {
    /// Nothing after the other end was closed.
    reader: Option<R>,
}

impl Child {
    /// Starts the program with nothing on its standard input.
    ///
    /// # Errors
    ///
    /// `InvalidInput` without a program, else why the system refused (not found, not executable, no resources).
    pub fn start(spec: Spec) -> io::Result<Self> {
        let mut argv = spec.argv.into_iter();
        let program = argv
            .next()
            .filter(|program| !program.is_empty())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "argv names no program"))?;
        let mut command = Command::new(program);
        command.args(argv).envs(spec.env).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(cwd) = spec.cwd {
            command.current_dir(cwd);
        }
        let mut child = command.spawn()?;
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        // The value kills the program if one of the next steps fails.
        let this = Self {
            child,
            status: None,
            stdout: Pipe { reader: stdout },
            stderr: Pipe { reader: stderr },
        };
        this.stdout.unblock()?;
        this.stderr.unblock()?;
        Ok(this)
    }

    /// Looks once: appends what the program wrote to `stdout` and `stderr`, each at most 64 KiB, and never waits.
    ///
    /// # Errors
    ///
    /// When a pipe or the state of the program cannot be read.
    pub fn look(&mut self, stdout: &mut Vec<u8>, stderr: &mut Vec<u8>) -> io::Result<Progress> {
        // The order matters: what was written before the end is in the pipes once the end is seen.
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        let read = self.stdout.read(stdout)? | self.stderr.read(stderr)?;
        Ok(match self.status {
            _ if read => Progress::Output,
            // A pipe may be kept open by a daemon that the program left; its output is not waited for.
            Some(status) => Progress::Ended(code(status)),
            None => Progress::Quiet,
        })
    }

    /// Waits until the program writes or closes an output, or `span` has passed.
    pub fn wait_for_output(&self, span: Duration) {
        let pipes = [
            self.stdout.reader.as_ref().map(AsFd::as_fd),
            self.stderr.reader.as_ref().map(AsFd::as_fd),
        ];
        let mut wanted: Vec<PollFd<'_>> =
            pipes.iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        let span = Timespec::try_from(span).ok();
        // A wait that is cut short by a signal only means that the caller looks early.
        let _ = poll(&mut wanted, span.as_ref());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Before the program is reaped its id cannot belong to anyone else.
        if self.status.is_some() {
            return;
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended in between: then there is nobody to kill.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        // A killed program ends at once, so this does not wait for its work.
        let _ = self.child.wait();
    }
}

impl<R: Read + AsFd> Pipe<R> {
    fn unblock(&self) -> io::Result<()> {
        match &self.reader {
            Some(reader) => Ok(rustix::io::ioctl_fionbio(reader, true)?),
            None => Ok(()),
        }
    }

    /// Appends what there is; true if there was something.
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        let mut buffer = [0; 4096];
        let before = into.len();
        while into.len() - before < CHILD_READ_LEN {
            match reader.read(&mut buffer) {
                Ok(0) => {
                    self.reader = None;
                    break;
                }
                Ok(len) => into.extend_from_slice(buffer.get(..len).unwrap_or_default()),
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => break,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
        Ok(into.len() > before)
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(argv: &[&str]) -> Spec {
        Spec { argv: argv.iter().map(OsString::from).collect(), ..Spec::default() }
    }

    fn run(argv: &[&str]) -> (Vec<u8>, Vec<u8>, i32) {
        let mut child = Child::start(spec(argv)).unwrap();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match child.look(&mut stdout, &mut stderr).unwrap() {
                Progress::Ended(code) => return (stdout, stderr, code),
                Progress::Output => {}
                Progress::Quiet => std::thread::yield_now(),
            }
        }
    }

    #[test]
    fn both_outputs_and_the_code_arrive() {
        let (stdout, stderr, code) = run(&["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]);
        assert_eq!((stdout.as_slice(), stderr.as_slice(), code), (&b"out\n"[..], &b"err\n"[..], 3));
    }

    #[test]
    fn output_larger_than_a_pipe_is_complete() {
        let (stdout, _, code) = run(&["/usr/bin/head", "-c", "300000", "/dev/zero"]);
        assert_eq!((stdout.len(), code), (300_000, 0));
    }

    #[test]
    fn arguments_are_not_interpreted() {
        let (stdout, _, _) = run(&["/bin/echo", "$(id)", "a;b"]);
        assert_eq!(stdout, b"$(id) a;b\n");
    }

    #[test]
    fn dropping_kills_the_program_and_its_children() {
        let script = "sleep 1000 & echo $!; wait";
        let mut child = Child::start(spec(&["/bin/sh", "-c", script])).unwrap();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while !stdout.ends_with(b"\n") {
            child.look(&mut stdout, &mut stderr).unwrap();
        }
        let grandchild = std::str::from_utf8(&stdout).unwrap().trim().to_owned();
        drop(child);
        let is_alive = || {
            std::fs::read_to_string(format!("/proc/{grandchild}/stat"))
                .is_ok_and(|stat| !stat.contains(") Z "))
        };
        while is_alive() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_missing_program_is_an_error() {
        assert_eq!(
            Child::start(spec(&["/no/such/program"])).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(Child::start(spec(&[])).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
