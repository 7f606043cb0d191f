//! What the server knows: names, clients, flows. Pure rules; no SQL, no HTTP, no clock.

pub mod audit;
pub mod client;
pub mod decision;
pub mod door;
pub mod flow;
pub mod hunt;
pub mod id;
pub mod monitoring;
pub mod notebook;
pub mod policy;
pub mod power;
pub mod prefix;
pub mod quota;
pub mod role;
pub mod search;
pub mod site;
pub mod unlock;
