//! The server: what it knows about agents, how agents reach it, and how it is administered.
//!
//! `model` holds the rules and touches nothing; `store` keeps the model on disk; `ingest` decides what an agent may
//! write; `frontend` speaks with agents. Everything that administers the server goes through the store as well, so that a
//! command works whether or not the server runs.

pub mod account;
pub mod acl;
pub mod acme;
pub mod activity;
pub mod actor;
pub mod api;
pub mod artifact;
pub mod artifacts;
pub mod audit_log;
pub mod basic;
pub mod certificates;
pub mod cli;
pub mod clients;
pub mod collector;
pub mod config;
#[cfg(test)]
mod damaged;
pub mod entropy;
pub mod events;
pub mod expiry;
pub mod export;
pub mod flows;
pub mod frontend;
pub mod gui;
pub mod hunts;
pub mod identity;
pub mod ingest;
pub mod launcher;
pub mod limits;
pub mod listener;
pub mod lockdown;
pub mod mail;
pub mod metrics;
pub mod model;
pub mod monitoring;
pub mod names;
pub mod notebooks;
pub mod orgs;
mod outgoing;
pub mod password;
pub mod permission_page;
pub mod pki;
pub mod query;
pub mod reference_page;
pub mod remote;
pub mod seal;
pub mod serve;
pub mod server_monitoring;
pub mod services;
pub mod store;
mod stream;
pub mod syslog;
pub mod totp;
