//! VQL, the query language of Velociraptor: one engine for microcontroller, Linux and server.

#![no_std]

extern crate alloc;
