//! Roles, and the sets of permissions that they stand for.

use std::fmt;

use troodon_vql::Permission;

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u32);

impl Rights {
    /// No permission at all.
    pub const NONE: Self = Self(0);

    /// These permissions.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < permissions.len() {
            bits |= bit(permissions[at]);
            at += 1;
        }
        Self(bits)
    }

    /// Whether `permission` is in the set.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    /// Everything that is in either set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The permissions in their order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |one| self.has(*one))
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Permission::name).collect();
        f.write_str(&names.join(" "))
    }
}

const fn bit(permission: Permission) -> u32 {
    1 << (permission as u32)
}

/// Permissions with which their holder can become administrator: by changing what others run, by running commands as
/// the server, or by granting.
pub const LIKE_ADMINISTRATOR: Rights = Rights::of(&[
    Permission::ArtifactWriter,
    Permission::ServerArtifactWriter,
    Permission::CollectServer,
    Permission::Execve,
    Permission::FilesystemWrite,
    Permission::ServerAdmin,
    Permission::OrgAdmin,
    Permission::Impersonation,
    Permission::DatastoreAccess,
]);

/// A named set of permissions. Names are Velociraptor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Manages organisations; counts in the root organisation only.
    OrgAdmin,
    /// Everything except raw access to the store.
    Administrator,
    /// Reads results.
    Reader,
    /// Reads results and works with them in notebooks.
    Analyst,
    /// Collects and hunts as well.
    Investigator,
    /// Writes artifacts that run on clients.
    ArtifactWriter,
    /// A program that queries.
    Api,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 7] = [
        Self::OrgAdmin,
        Self::Administrator,
        Self::Reader,
        Self::Analyst,
        Self::Investigator,
        Self::ArtifactWriter,
        Self::Api,
    ];

    /// The name on command lines and in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrgAdmin => "org_admin",
            Self::Administrator => "administrator",
            Self::Reader => "reader",
            Self::Analyst => "analyst",
            Self::Investigator => "investigator",
            Self::ArtifactWriter => "artifact_writer",
            Self::Api => "api",
        }
    }

    /// The role of a name, which is in lower case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What the role stands for. ORG_ADMIN is in it wherever the role is held; a policy takes it out again outside of
    /// the root organisation.
    #[must_use]
    pub const fn rights(self) -> Rights {
        use Permission as P;
        const READER: Rights = Rights::of(&[P::ReadResults]);
        const API: Rights = READER.and(Rights::of(&[P::AnyQuery]));
        const ANALYST: Rights =
            API.and(Rights::of(&[P::LabelClient, P::NotebookEditor, P::PrepareResults]));
        const INVESTIGATOR: Rights = ANALYST.and(Rights::of(&[P::CollectClient, P::StartHunt]));
        const ADMINISTRATOR: Rights =
            Rights::of(&P::ALL).without(Rights::of(&[P::Publish, P::DatastoreAccess]));
        match self {
            Self::OrgAdmin => Rights::of(&[P::OrgAdmin]),
            Self::Administrator => ADMINISTRATOR,
            Self::Reader => READER,
            Self::Analyst => ANALYST,
            Self::Investigator => INVESTIGATOR,
            Self::ArtifactWriter => Rights::of(&[P::ArtifactWriter]),
            Self::Api => API,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_shown_and_found_by_their_names() {
        for role in Role::ALL {
            assert_eq!(Role::named(&role.to_string()), Some(role));
        }
        assert_eq!(Role::named("Administrator"), None);
    }
}
