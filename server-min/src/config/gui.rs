//! The `GUI` section: the web pages and who signs in to them.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ConfigError, Secret};

/// The `GUI` section.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuiConfig {
    /// The address to listen on.
    pub bind_address: String,
    /// The port to listen on.
    pub bind_port: u16,
    /// PEM: the certificate with which the web pages speak to the API.
    pub gw_certificate: String,
    /// PEM (PKCS#1) of its key.
    pub gw_private_key: Secret,
    /// Where browsers find the pages; ends in `/app/index.html`.
    pub public_url: String,
    /// Further links of the side bar.
    pub links: Vec<Value>,
    /// Administrators that the first start makes.
    pub initial_users: Vec<InitialUser>,
    /// Organisations that the first start makes.
    pub initial_orgs: Vec<InitialOrg>,
    /// How people sign in.
    pub authenticator: Option<Authenticator>,
    /// Networks that may connect; empty means all.
    pub allowed_cidr: Vec<String>,
    /// The header in which a trusted proxy names the browser's address.
    pub forwarded_proxy_header: String,
    /// Serve HTTP: a proxy in front ends TLS.
    pub use_plain_http: bool,
    /// Goes before every path.
    pub base_path: String,
    /// What else is served through this port.
    pub reverse_proxy: Vec<Value>,
    /// Hides artifacts that do not match.
    pub artifact_search_filter: String,
    /// Further origins that may post forms.
    pub trusted_origins: Vec<String>,
}

impl GuiConfig {
    /// The port to listen on: 8889 unless set.
    pub fn port(&self) -> u16 {
        if self.bind_port == 0 { 8889 } else { self.bind_port }
    }

    /// The networks of `allowed_cidr`.
    ///
    /// # Errors
    /// One of them is none.
    pub fn allowed(&self) -> Result<Vec<IpNet>, ConfigError> {
        let network = |text: &String| {
            text.parse().map_err(|_| {
                let problem =
                    format!("`{text}` is no network such as `192.0.2.0/24` or `2001:db8::/32`");
                ConfigError::invalid("GUI.allowed_cidr", problem)
            })
        };
        self.allowed_cidr.iter().map(network).collect()
    }
}

/// An administrator that the first start makes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InitialUser {
    /// Signs in with it.
    pub name: String,
    /// SHA-256 of salt and password, 64 hex digits: accepted, and replaced at the first sign-in.
    pub password_hash: Secret,
    /// 32 random bytes in hex.
    pub password_salt: Secret,
}

/// An organisation that the first start makes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InitialOrg {
    /// `O` and more.
    pub org_id: String,
    /// Its display name.
    pub name: String,
    /// What its agents send.
    pub nonce: String,
}

/// How people sign in. Which keys count depends on the type.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authenticator {
    /// `Basic`, `GitHub`, `Google`, `Azure`, `OIDC`, `SAML`, `Certs` or `Multi`, in any case.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id that the identity provider gave to this server.
    pub oauth_client_id: String,
    /// And its secret.
    pub oauth_client_secret: Secret,
    /// Azure's tenant.
    pub tenant: String,
    /// Where the provider describes itself.
    pub oidc_issuer: String,
    /// Distinguishes several providers.
    pub oidc_name: String,
    /// A picture on the sign-in page.
    pub avatar: String,
    /// Further parameters of the sign-in address.
    pub oidc_auth_url_params: BTreeMap<String, String>,
    /// Which claims name user and roles.
    pub claims: Option<OidcClaims>,
    /// Log the claims.
    pub oidc_debug: bool,
    /// Do not tie a name to the provider's id for it.
    pub disable_email_to_sub_pin: bool,
    /// SAML: our certificate.
    pub saml_certificate: String,
    /// SAML: its key.
    pub saml_private_key: Secret,
    /// SAML: the provider's description.
    pub saml_idp_metadata_url: String,
    /// SAML: our own address.
    pub saml_root_url: String,
    /// SAML: which attribute names the user.
    pub saml_user_attribute: String,
    /// SAML: roles of people that sign in for the first time.
    pub saml_user_roles: Vec<String>,
    /// SAML: accept sign-ins that nobody here began.
    pub saml_allow_idp_initiated: bool,
    /// Certs: roles of people that sign in for the first time.
    pub default_roles_for_unknown_user: Vec<String>,
    /// Multi: the choices.
    pub sub_authenticators: Vec<Self>,
    /// Minutes; 0 means 1440.
    pub default_session_expiry_min: u64,
}

/// What a provider's claims say about people.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OidcClaims {
    /// The claim that names the user; empty means the e-mail address.
    pub username: String,
    /// The claim that lists roles or groups.
    pub roles: String,
    /// What each of them means here.
    pub role_map: BTreeMap<String, OidcRole>,
    /// The mapped roles replace those that were granted, in place of adding to them.
    pub override_acls: bool,
    /// Take addresses that the provider has not verified.
    pub allow_unverified_email: bool,
}

/// What a role of the provider means here.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OidcRole {
    /// Roles of this server.
    pub roles: Vec<String>,
    /// Refused when set: Velociraptor reads the key and grants nothing by it.
    pub permissions: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::GuiConfig;

    #[test]
    fn networks_have_an_address_and_a_length_that_fits() {
        let allowed = |text: &str| {
            GuiConfig { allowed_cidr: vec![text.to_owned()], ..GuiConfig::default() }.allowed()
        };
        for good in ["0.0.0.0/0", "10.0.0.0/32", "::/0", "2001:db8::/128"] {
            assert_eq!(allowed(good).unwrap().len(), 1, "{good}");
        }
        for bad in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129", "::/"] {
            let error = allowed(bad).unwrap_err().to_string();
            assert!(error.contains("GUI.allowed_cidr") && error.contains(bad), "{error}");
        }
    }
}
