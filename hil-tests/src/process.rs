//! A program that runs beside the test, with its log in a file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to end after it was asked to.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How often a condition is looked at while waiting for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often a question is put to the server while waiting for an answer; each is a program that starts and ends.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Waits until `look` says yes.
///
/// # Errors
///
/// The time is over; with the last error of `look`, if it had one.
pub fn wait_until(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    loop {
        let seen = look();
        if matches!(seen, Ok(true)) {
            return Ok(());
        }
        if start.elapsed() > limit {
            seen?;
            bail!("no {what} within {limit:?}");
        }
        thread::sleep(ASK_EVERY);
    }
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it says goes to `log`.
    ///
    /// # Errors
    ///
    /// The log cannot be made, or the program cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        Self::spawn(name, command.stdin(Stdio::null()), log)
    }

    /// Starts a program that listens; [`Process::tell`] is what it hears.
    ///
    /// # Errors
    ///
    /// Those of [`Process::start`].
    pub fn start_listening(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        Self::spawn(name, command.stdin(Stdio::piped()), log)
    }

    fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        let errors = file.try_clone()?;
        let child = command.stdout(file).stderr(errors).spawn();
        let child = child.with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, name: name.to_owned(), log: log.to_path_buf() })
    }

    /// Says a line to a program that listens.
    ///
    /// # Errors
    ///
    /// It does not listen, or has ended.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.child.stdin.as_mut();
        let input = input.with_context(|| format!("{} does not listen", self.name))?;
        writeln!(input, "{line}").with_context(|| format!("{} has ended", self.name))
    }

    /// What the program said so far.
    pub fn said(&self) -> String {
        fs::read(&self.log)
            .map(|said| String::from_utf8_lossy(&said).into_owned())
            .unwrap_or_default()
    }

    /// Waits until `ready` says yes; the program must stay alive meanwhile.
    ///
    /// # Errors
    ///
    /// The program ended, or the time is over; both with the end of its log.
    pub fn wait_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let start = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}) before {what}:\n{}", self.name, self.last_words());
            }
            if start.elapsed() > limit {
                bail!("{}: no {what} within {limit:?}:\n{}", self.name, self.last_words());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Waits until the program has said `line`, or something that contains it.
    ///
    /// # Errors
    ///
    /// The program ended, or the time is over; both with the end of its log.
    pub fn wait_for_line(&mut self, line: &str, limit: Duration) -> Result<()> {
        self.wait_for_lines(line, 1, limit)
    }

    /// The same for a line that is said `count` times.
    ///
    /// # Errors
    ///
    /// Those of [`Process::wait_for_line`].
    pub fn wait_for_lines(&mut self, line: &str, count: usize, limit: Duration) -> Result<()> {
        let log = self.log.clone();
        let has_said =
            |said: Vec<u8>| String::from_utf8_lossy(&said).matches(line).count() >= count;
        self.wait_until(line, limit, || fs::read(&log).is_ok_and(has_said))
    }

    /// Memory that the program holds, in KiB (`VmRSS`), and the most that it held (`VmHWM`).
    ///
    /// # Errors
    ///
    /// The program has ended.
    pub fn memory_kib(&self) -> Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .with_context(|| format!("{} has ended:\n{}", self.name, self.last_words()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        match (field("VmRSS:"), field("VmHWM:")) {
            (Some(now), Some(most)) => Ok((now, most)),
            _ => bail!("{} has ended:\n{}", self.name, self.last_words()),
        }
    }

    /// Time that the program has spent on a processor.
    ///
    /// # Errors
    ///
    /// The program has ended.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which may hold anything, utime and stime are the 12th and 13th field, in 1/100 s.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ticks: u64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Waits for the program to end by itself, successfully; answers what it said.
    ///
    /// # Errors
    ///
    /// It fails, or the time is over; both with the end of its log.
    pub fn wait(mut self, limit: Duration) -> Result<String> {
        let start = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(self.said()),
                Some(status) => bail!("{} failed ({status}):\n{}", self.name, self.last_words()),
                None if start.elapsed() > limit => {
                    bail!("{} does not end within {limit:?}:\n{}", self.name, self.last_words());
                }
                None => thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Ends the program as `kill -9` does.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the program to end, as Ctrl-C or a service manager does, and waits for it.
    ///
    /// # Errors
    ///
    /// It does not end in time; it is killed then.
    pub fn stop(mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no process id")?, Signal::TERM)?;
        let start = Instant::now();
        while start.elapsed() < STOP_MAX {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(LOOK_EVERY);
        }
        bail!("{} did not end within {STOP_MAX:?} of SIGTERM:\n{}", self.name, self.last_words())
    }

    fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nobody left to tell.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
