//! The agent for Linux: what VQL can ask of this machine, and the local commands.
//!
//! The query language itself is `troodon-vql`; this crate adds the plugins, functions and accessors that need an
//! operating system. Nothing here runs another program to learn something, except `execve()`, which was asked to.

pub mod child;
pub mod config;
pub mod file;
pub mod limits;
pub mod proc;
pub mod storage;
pub mod tls;
pub mod writeback;
