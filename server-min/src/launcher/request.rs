//! What a caller asks for, and why it may not be possible.

use serde_json::{Map, Value, json};

use crate::artifact::{ArtifactType, Resources};
use crate::model::monitoring::Watch;

/// One artifact with its parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spec {
    /// Name or alias.
    pub artifact: String,
    /// Values by name.
    pub parameters: Vec<(String, String)>,
}

impl Spec {
    /// Gives a parameter another value.
    pub(super) fn set(&mut self, (name, value): &(String, String)) {
        self.parameters.retain(|(known, _)| known != name);
        self.parameters.push((name.clone(), value.clone()));
    }

    /// An artifact with the defaults of its parameters.
    pub fn of(artifact: &str) -> Self {
        Self { artifact: artifact.to_owned(), parameters: Vec::new() }
    }
}

impl From<&Watch> for Spec {
    fn from(watch: &Watch) -> Self {
        let parameters = watch.parameters.iter().map(|(name, value)| (name.clone(), value.clone()));
        Self { artifact: watch.artifact.clone(), parameters: parameters.collect() }
    }
}

/// Limits that the caller sets; 0 leaves the choice to the artifact, and then to the server.
pub type Limits = Resources;

impl Limits {
    /// These limits where they are set, and `below` elsewhere.
    pub(super) fn over(&self, below: &Self) -> Self {
        let pick = |own: u64, other: u64| if own == 0 { other } else { own };
        let pick_rate = |own: f32, other: f32| if own == 0.0 { other } else { own };
        Self {
            timeout: pick(self.timeout, below.timeout),
            ops_per_second: pick_rate(self.ops_per_second, below.ops_per_second),
            cpu_limit: pick_rate(self.cpu_limit, below.cpu_limit),
            iops_limit: pick_rate(self.iops_limit, below.iops_limit),
            max_rows: pick(self.max_rows, below.max_rows),
            max_upload_bytes: pick(self.max_upload_bytes, below.max_upload_bytes),
            max_batch_wait: pick(self.max_batch_wait, below.max_batch_wait),
            max_batch_rows: pick(self.max_batch_rows, below.max_batch_rows),
            max_batch_rows_buffer: pick(self.max_batch_rows_buffer, below.max_batch_rows_buffer),
        }
    }
}

/// A collection that somebody asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Collect {
    /// What to run, in this order.
    pub specs: Vec<Spec>,
    /// Limits of the caller.
    pub limits: Limits,
    /// Overtakes other collections.
    pub urgent: bool,
    /// Seconds since 1970: when it has not begun by then, it never does; 0: it waits as long as it takes.
    pub expires: u64,
}

impl Collect {
    /// What was asked for: for people who look at the collection later, and to ask once more.
    pub(super) fn shown(&self) -> Value {
        let artifacts = self.specs.iter().map(|spec| {
            let parameters = spec.parameters.iter().map(|(k, v)| (k.clone(), json!(v)));
            json!({"artifact": spec.artifact, "parameters": parameters.collect::<Map<_, _>>()})
        });
        let artifacts = artifacts.collect::<Vec<_>>();
        let mut shown = json!({"artifacts": artifacts, "urgent": self.urgent});
        if self.limits != Limits::default() {
            shown["limits"] = json!(self.limits);
        }
        if self.expires > 0 {
            shown["expires"] = self.expires.into();
        }
        shown
    }

    /// The other way.
    ///
    /// # Errors
    /// [`CompileFault::Nothing`] when this says nothing of the kind.
    pub fn read(shown: &Value) -> Result<Self, CompileFault> {
        let artifacts = shown["artifacts"].as_array().ok_or(CompileFault::Nothing)?;
        let spec = |one: &Value| {
            let artifact = one["artifact"].as_str()?.to_owned();
            let parameters = one["parameters"].as_object()?.iter();
            let parameters =
                parameters.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.into())));
            Some(Spec { artifact, parameters: parameters.collect() })
        };
        let specs: Option<Vec<Spec>> = artifacts.iter().map(spec).collect();
        let limits =
            shown.get("limits").cloned().map_or(Ok(Limits::default()), serde_json::from_value);
        Ok(Self {
            specs: specs.ok_or(CompileFault::Nothing)?,
            limits: limits.map_err(|_| CompileFault::Nothing)?,
            urgent: shown["urgent"].as_bool().unwrap_or_default(),
            expires: shown["expires"].as_u64().unwrap_or_default(),
        })
    }
}

/// Why artifacts cannot become requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileFault {
    /// Nothing was asked for.
    #[error("no artifact is named")]
    Nothing,
    /// There is no such artifact.
    #[error("there is no artifact `{0}`; `troodon artifacts list` shows all")]
    Unknown(String),
    /// The artifact calls one that does not exist.
    #[error("artifact `{artifact}` needs `{name}`, which does not exist")]
    Reference {
        /// Which artifact.
        artifact: String,
        /// What it calls.
        name: String,
    },
    /// The artifact runs elsewhere or in another way.
    #[error("artifact `{name}` is of type {is}; {wanted} is needed here")]
    Kind {
        /// Which artifact.
        name: String,
        /// Its type.
        is: ArtifactType,
        /// What is possible.
        wanted: ArtifactType,
    },
    /// The artifact would run as somebody else.
    #[error("artifact `{0}` has `impersonate`: on the server artifacts run as whoever starts them")]
    Impersonates(String),
    /// The artifact has no such parameter.
    #[error("artifact `{artifact}` has no parameter `{parameter}`; it has: {known}")]
    Parameter {
        /// Which artifact.
        artifact: String,
        /// What was given.
        parameter: String,
        /// All that it has.
        known: String,
    },
    /// A query does not parse.
    #[error("artifact `{artifact}`: {problem}")]
    Vql {
        /// Which artifact.
        artifact: String,
        /// What the parser says.
        problem: String,
    },
    /// Nobody counts operations on the server.
    #[error(
        "iops_limit: the server counts no operations; cpu_limit or ops_per_second slow a collection down"
    )]
    Operations,
    /// It would have expired before it is asked for.
    #[error("expires: {0} s since 1970 is over already")]
    Over(u64),
    /// Too many artifacts depend on each other.
    #[error("artifact `{0}` needs more than {1} others")]
    TooMany(String, usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_can_be_asked_for_once_more() {
        let parameters = vec![("A".to_owned(), "1".to_owned()), ("B".to_owned(), String::new())];
        let specs = vec![Spec { artifact: "X.Y".into(), parameters }, Spec::of("Z")];
        let limits = Limits { timeout: 7, ops_per_second: 2.5, ..Limits::default() };
        for wanted in [
            Collect { specs: specs.clone(), limits, urgent: true, expires: 9 },
            Collect { specs, ..Collect::default() },
        ] {
            assert_eq!(Collect::read(&wanted.shown()), Ok(wanted));
        }
        for odd in [json!(null), json!({"artifacts": [{"artifact": 7}]}), json!({"artifacts": "X"})]
        {
            assert_eq!(Collect::read(&odd), Err(CompileFault::Nothing), "{odd}");
        }
    }
}
