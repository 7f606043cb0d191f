//! Version 1: the protocol of 2025 (api_version 4), one file for each file of the schema.

mod envelope;
mod flow;
mod message;
mod query;
mod upload;
