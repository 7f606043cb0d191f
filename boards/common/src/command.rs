//! Commands on the console, for whoever holds the board: to see that panic record and watchdog do their work.

use crate::system::System;

/// Every command begins with it, so that noise on an open line is none.
const PREFIX: &[u8] = b"troodon ";
const LINE_LEN_MAX: usize = 16;

/// What is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// Do nothing any more: the watchdog has to notice.
    Hang,
    /// Panic.
    Panic,
    /// Start again.
    Restart,
}

/// What was typed of a line so far.
#[derive(Debug, Default)]
pub struct Line {
    typed: [u8; LINE_LEN_MAX],
    len: usize,
}

impl Line {
    /// Reads what was typed; the command, when a line ends that is one.
    pub fn poll(&mut self, system: &dyn System) -> Option<Command> {
        while let Some(byte) = system.typed() {
            if let Some(command) = self.take(byte) {
                return Some(command);
            }
        }
        None
    }

    fn take(&mut self, byte: u8) -> Option<Command> {
        if byte == b'\n' || byte == b'\r' {
            let len = core::mem::take(&mut self.len);
            return match self.typed.get(..len)?.strip_prefix(PREFIX)? {
                b"hang" => Some(Command::Hang),
                b"panic" => Some(Command::Panic),
                b"restart" => Some(Command::Restart),
                _ => None,
            };
        }
        match self.typed.get_mut(self.len) {
            Some(place) => *place = byte,
            // A longer line is no command; its length stays out of range until it ends.
            None => self.len = LINE_LEN_MAX,
        }
        self.len = self.len.saturating_add(1);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(typed: &[u8]) -> alloc::vec::Vec<Command> {
        let mut line = Line::default();
        typed.iter().filter_map(|byte| line.take(*byte)).collect()
    }

    #[test]
    fn whole_lines_are_commands_and_noise_is_not() {
        assert_eq!(commands(b"troodon panic\n"), [Command::Panic]);
        assert_eq!(commands(b"\xff\x00\ntroodon hang\r\nhang\n"), [Command::Hang]);
        assert_eq!(commands(b"troodon panicked\npanic\ntroodon \ntroodon"), []);
        let long = [[b'x'; 1_000].as_slice(), b"\ntroodon restart\n"].concat();
        assert_eq!(commands(&long), [Command::Restart]);
        assert_eq!(commands(b"xxxxxxxxxxxxxxxxtroodon panic\n"), []);
    }
}
