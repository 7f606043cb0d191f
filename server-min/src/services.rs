//! What the pages, the API and the server's own queries work on: one of each in a process.

use std::sync::Arc;

use troodon_vql::Registry;

use crate::acl::Acl;
use crate::orgs::Orgs;

/// Handles; clones share what they lead to.
#[derive(Clone)]
pub struct Services {
    /// Where everything is kept.
    pub orgs: Arc<Orgs>,
    /// Who may do what.
    pub acl: Acl,
    /// What queries can use.
    pub registry: Arc<Registry>,
}
