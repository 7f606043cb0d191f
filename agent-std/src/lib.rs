//! The agent for Linux: what VQL can ask of this machine, and the local commands.
//!
//! The query language itself is `troodon-vql`; this crate adds the plugins, functions and accessors that need an
//! operating system. Nothing here runs another program to learn something, except `execve()`, which was asked to.

pub mod accessor;
pub mod artifact;
pub mod child;
pub mod command;
pub mod config;
pub mod file;
pub mod limits;
pub mod local;
pub mod output;
pub mod plugin;
pub mod proc;
pub mod storage;
pub mod tls;
pub mod upload;
pub mod writeback;
