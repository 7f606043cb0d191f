//! How a deployment differs from the default.

use serde_json::{Value, json};

/// What a deployment has beyond the defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// The scheme of the server's URL: `https`, or `wss` for websockets.
    pub scheme: &'static str,
    /// Merged into the configuration (RFC 7396).
    pub merge: Value,
}

impl Default for Options {
    fn default() -> Self {
        Self { scheme: "https", merge: json!({}) }
    }
}

impl Options {
    /// The same, with an agent that tries again after a second or two.
    pub fn impatient(mut self) -> Self {
        merge(&mut self.merge, &json!({ "Client": { "max_poll": 1, "max_poll_std": 1 } }));
        self
    }

    /// A deployment that knows the artifacts of the tests and watches those named.
    pub fn with_test_artifacts(watched: &[&str]) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/artifacts");
        let frontend = json!({
            "artifact_definitions_directory": folder,
            "default_client_monitoring_artifacts": watched,
        });
        Self { merge: json!({ "Frontend": frontend }), ..Self::default() }
    }
}

/// JSON Merge Patch (RFC 7396), without its deletion by null.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let (Value::Object(fields), Value::Object(changes)) = (&mut *target, patch) else {
        *target = patch.clone();
        return;
    };
    for (name, change) in changes {
        merge(fields.entry(name).or_insert(Value::Null), change);
    }
}
