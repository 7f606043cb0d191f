//! What is stored about the rights of one principal in one organisation.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use troodon_vql::Permission;

use super::id::{ArtifactName, OrgId};
use super::role::{Rights, Role};

/// Roles, and permissions beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Their permissions add up.
    pub roles: BTreeSet<Role>,
    /// Permissions given one by one.
    pub extra: Rights,
    /// Queues of events to which the principal may send.
    pub publish: BTreeSet<String>,
}

/// A policy that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// Not a role.
    #[error(
        "there is no role `{0}`; roles are org_admin, administrator, reader, analyst, investigator, artifact_writer, api"
    )]
    Role(String),
    /// Not a field of a policy.
    #[error(
        "a policy has no field `{0}`; fields are roles, and permissions such as collect_client"
    )]
    Field(String),
    /// A field with a value that it cannot have.
    #[error("the field `{0}` of a policy has to be {1}")]
    Value(String, &'static str),
    /// Not JSON.
    #[error(
        "a policy is a JSON object such as {{\"roles\":[\"reader\"],\"label_clients\":true}}: {0}"
    )]
    Json(String),
}

impl Policy {
    /// These roles and nothing else.
    #[must_use]
    pub fn of(roles: impl IntoIterator<Item = Role>) -> Self {
        Self { roles: roles.into_iter().collect(), ..Self::default() }
    }

    /// What the principal may do there.
    #[must_use]
    pub fn rights(&self, org: &OrgId) -> Rights {
        let all = self.roles.iter().fold(self.extra, |rights, role| rights.and(role.rights()));
        if org.is_root() { all } else { all.without(Rights::of(&[Permission::OrgAdmin])) }
    }

    /// Both policies together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.roles.extend(other.roles);
        self.publish.extend(other.publish);
        Self { extra: self.extra.and(other.extra), ..self }
    }

    /// Reads a policy with the field names of Velociraptor's ACL records, in either spelling of theirs.
    ///
    /// # Errors
    /// An unknown field, role or value: a mistake must not end in other rights than were meant.
    pub fn parse(text: &str) -> Result<Self, PolicyFault> {
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| PolicyFault::Json(error.to_string()))?;
        let mut policy = Self::default();
        for (name, value) in fields {
            if name == "roles" {
                policy.roles = roles(&value)?;
                continue;
            }
            if matches!(name.as_str(), "publish_queues" | "publishQueues") {
                policy.publish = queues(&value)?;
                continue;
            }
            let permission = field_named(&name).ok_or_else(|| PolicyFault::Field(name.clone()))?;
            match value {
                Value::Bool(true) => policy.extra = policy.extra.and(Rights::of(&[permission])),
                Value::Bool(false) => {}
                _ => return Err(PolicyFault::Value(name, "true or false")),
            }
        }
        Ok(policy)
    }

    /// The policy as [`Policy::parse`] reads it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        if !self.roles.is_empty() {
            fields.insert("roles".into(), self.roles.iter().map(|role| role.name()).collect());
        }
        for permission in self.extra.iter() {
            fields.insert(field(permission), Value::Bool(true));
        }
        if !self.publish.is_empty() {
            let queues = self.publish.iter().map(String::as_str).collect();
            fields.insert("publish_queues".into(), queues);
        }
        Value::Object(fields)
    }
}

fn queues(value: &Value) -> Result<BTreeSet<String>, PolicyFault> {
    let wrong = || PolicyFault::Value("publish_queues".into(), "a list of names of artifacts");
    // A list of one is written as a text in queries.
    let names = match value {
        Value::String(_) => std::slice::from_ref(value),
        other => other.as_array().ok_or_else(wrong)?,
    };
    names
        .iter()
        .map(|name| {
            let name: ArtifactName =
                name.as_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
            Ok(name.as_str().to_owned())
        })
        .collect()
}

fn roles(value: &Value) -> Result<BTreeSet<Role>, PolicyFault> {
    let wrong = || PolicyFault::Value("roles".into(), "a list of names");
    let names = value.as_array().ok_or_else(wrong)?;
    let role = |name: &Value| {
        let name = name.as_str().ok_or_else(wrong)?;
        Role::named(name).ok_or_else(|| PolicyFault::Role(name.to_owned()))
    };
    names.iter().map(role).collect()
}

/// The field of a permission: its name in lower case, with one exception.
#[must_use]
pub fn field(permission: Permission) -> String {
    match permission {
        Permission::LabelClient => "label_clients".into(),
        other => other.name().to_ascii_lowercase(),
    }
}

/// PUBLISH names queues in Velociraptor's records, so that a plain `true` would mean something else there.
fn field_named(name: &str) -> Option<Permission> {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let mut grantable = Permission::ALL.into_iter().filter(|one| *one != Permission::Publish);
    let is_snake = !name.contains(char::is_uppercase);
    let is_camel = !name.contains('_') && !name.starts_with(char::is_uppercase);
    grantable.find(|one| {
        field(*one) == name || (is_camel && !is_snake && plain(&field(*one)) == plain(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let queues = r#"{"publish_queues":["Server.Test/Source"]}"#;
        assert_eq!(Policy::parse(queues).unwrap().to_json().to_string(), queues);
        let text = r#"{"roles":["reader"],"label_clients":true}"#;
        let policy = Policy::parse(text).unwrap();
        assert_eq!(policy.to_json().to_string(), text);
        assert_eq!(policy.rights(&OrgId::root()).to_string(), "READ_RESULTS LABEL_CLIENT");
        assert_eq!(Policy::parse(r#"{"roles":["reader"],"labelClients":true}"#).unwrap(), policy);
    }

    #[test]
    fn a_policy_with_a_mistake_is_refused() {
        for (text, part) in [
            ("[]", "JSON object"),
            (r#"{"roles":["root"]}"#, "no role `root`"),
            (r#"{"roles":["Reader"]}"#, "no role `Reader`"),
            (r#"{"roles":"reader"}"#, "a list of names"),
            (r#"{"super_user":true}"#, "no field `super_user`"),
            (r#"{"publish":true}"#, "no field `publish`"),
            (r#"{"EXECVE":true}"#, "no field `EXECVE`"),
            (r#"{"publish_queues":true}"#, "a list of names"),
            (r#"{"publish_queues":["../x"]}"#, "a list of names"),
            (r#"{"execve":1}"#, "true or false"),
        ] {
            let fault = Policy::parse(text).unwrap_err().to_string();
            assert!(fault.contains(part), "{text}: {fault}");
        }
    }

    #[test]
    fn org_admin_counts_in_the_root_organisation_only() {
        let policy = Policy::of([Role::Administrator, Role::OrgAdmin]);
        assert!(policy.rights(&OrgId::root()).has(Permission::OrgAdmin));
        let other = "OABCD".parse().unwrap();
        assert!(!policy.rights(&other).has(Permission::OrgAdmin));
    }

    #[test]
    fn policies_together_have_the_rights_of_both_and_false_is_no_right() {
        let one = Policy::parse(r#"{"roles":["reader"],"execve":true,"publish_queues":["A.B"]}"#);
        let other = Policy::parse(r#"{"roles":["api"],"network":true,"publish_queues":["C.D"]}"#);
        let both = one.unwrap().and(other.unwrap());
        let text = r#"{"roles":["reader","api"],"execve":true,"network":true,"publish_queues":["A.B","C.D"]}"#;
        assert_eq!(both, Policy::parse(text).unwrap());
        assert_eq!(Policy::parse(r#"{"execve":false}"#), Ok(Policy::default()));
    }
}
