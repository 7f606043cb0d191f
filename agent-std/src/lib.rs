//! The agent for Linux: what VQL can ask of this machine, the link to the server, and the local commands.
//!
//! The query language itself is `troodon-vql`, the protocol is `troodon-core`; this crate adds files, sockets and time, and
//! the plugins, functions and accessors that need an operating system. Nothing here runs another program to learn something,
//! except `execve()`, which was asked to.

pub mod accessor;
pub mod artifact;
pub mod child;
pub mod client;
pub mod command;
pub mod config;
pub mod description;
mod event;
pub mod file;
pub mod limits;
pub mod link;
pub mod local;
pub mod output;
pub mod plugin;
pub mod proc;
pub mod storage;
pub mod tls;
pub mod upload;
pub mod worker;
pub mod writeback;
pub mod yaml;
