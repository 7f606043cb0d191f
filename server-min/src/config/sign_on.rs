//! How people sign in, as `GUI.authenticator` says it: checked, and with what each kind of provider implies.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Authenticator, Config, ConfigError, OidcClaims, Secret};
use crate::model::role::Role;

const KEY: &str = "GUI.authenticator";
const GOOGLE: &str = "https://accounts.google.com";
const GITHUB: &str = "https://github.com";
/// What a public address ends in.
const PAGE: &str = "/app/index.html";
/// Parameters of a sign-in address that are not for the configuration to choose.
const OWN_PARAMETERS: [&str; 9] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// The ways in.
#[derive(Debug)]
pub struct SignOnConfig {
    /// By name and password.
    pub passwords: bool,
    /// Through other servers, in the order of the configuration.
    pub providers: Vec<ProviderConfig>,
    /// By certificates of the internal authority, with the roles of those who are no users yet.
    pub newcomers_by_certificate: Option<BTreeSet<Role>>,
}

/// A server that says who people are.
#[derive(Debug)]
pub struct ProviderConfig {
    /// How it is spoken with.
    pub kind: ProviderKind,
    /// In addresses: `oidc`, `oidc/NAME`, `google`, `azure`, `github`.
    pub path: String,
    /// On the button.
    pub title: String,
    /// What the provider calls this server.
    pub client_id: String,
    /// Shows the provider that it is this server.
    pub client_secret: Secret,
    /// Where the provider sends browsers back to.
    pub redirect: String,
    /// The claim that names the user.
    pub username: String,
    /// A name from the e-mail address counts only when the provider has verified it.
    pub needs_verified_email: bool,
    /// The claim with roles, when roles come from the provider.
    pub roles: Option<String>,
    /// What each role of the provider means.
    pub role_map: BTreeMap<String, BTreeSet<Role>>,
    /// Mapped roles replace those that were granted.
    pub replaces_roles: bool,
    /// Roles of people who are no users yet; none means that they stay out.
    pub newcomers: BTreeSet<Role>,
    /// Further parameters of the sign-in address.
    pub parameters: BTreeMap<String, String>,
}

/// How a provider is spoken with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderKind {
    /// OpenID Connect.
    Oidc {
        /// Who signs.
        issuer: String,
        /// The claim `tid` has to be this.
        tenant: Option<String>,
    },
    /// GitHub's OAuth2.
    GitHub {
        /// Where browsers are sent, without a slash at the end.
        site: String,
        /// Where its API is, without a slash at the end.
        api: String,
    },
}

impl SignOnConfig {
    pub(super) fn trusts_unverified_addresses(&self) -> bool {
        self.providers.iter().any(|one| one.username == "email" && !one.needs_verified_email)
    }
}

impl Config {
    /// The ways in that `GUI.authenticator` describes; without it, passwords.
    ///
    /// # Errors
    /// A key is missing, cannot work, or would let strangers in.
    pub fn sign_on(&self) -> Result<SignOnConfig, ConfigError> {
        let mut ways = SignOnConfig {
            passwords: false,
            providers: Vec::new(),
            newcomers_by_certificate: None,
        };
        match &self.gui.authenticator {
            None => ways.passwords = true,
            Some(all) if all.kind.eq_ignore_ascii_case("multi") => {
                if all.sub_authenticators.is_empty() {
                    return Err(wrong("sub_authenticators", "list at least one way to sign in"));
                }
                for one in &all.sub_authenticators {
                    self.add(one, &mut ways)?;
                }
            }
            Some(one) => self.add(one, &mut ways)?,
        }
        let mut paths = BTreeSet::new();
        match ways.providers.iter().find(|one| !paths.insert(&one.path)) {
            Some(twice) => Err(wrong(
                "oidc_name",
                &format!("there are two providers at `/auth/{}`; give each a name", twice.path),
            )),
            None => Ok(ways),
        }
    }

    fn add(&self, one: &Authenticator, ways: &mut SignOnConfig) -> Result<(), ConfigError> {
        let kind = one.kind.to_ascii_lowercase();
        let oidc = |issuer: &str, tenant| ProviderKind::Oidc { issuer: issuer.to_owned(), tenant };
        let (kind, title) = match kind.as_str() {
            "" | "basic" => {
                ways.passwords = true;
                return Ok(());
            }
            "oidc" => (oidc(issuer(one)?, given(&one.tenant)), "OpenID Connect".to_owned()),
            "google" => (oidc(GOOGLE, None), "Google".to_owned()),
            "azure" => {
                let tenant = tenant(one)?;
                let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
                (oidc(&issuer, Some(tenant)), "Microsoft".to_owned())
            }
            "github" => {
                let (site, api) = (GITHUB.to_owned(), "https://api.github.com".to_owned());
                (ProviderKind::GitHub { site, api }, "GitHub".to_owned())
            }
            "saml" => return Err(wrong("type", SAML)),
            "certs" => {
                if self.gui.use_plain_http {
                    return Err(wrong("type", CERTS));
                }
                let key = "default_roles_for_unknown_user";
                ways.newcomers_by_certificate =
                    Some(roles(key, &one.default_roles_for_unknown_user)?);
                return Ok(());
            }
            "multi" => return Err(wrong("sub_authenticators", "`Multi` cannot hold another one")),
            other => {
                let known = "Basic, Certs, OIDC, Google, Azure, GitHub, Multi";
                return Err(wrong("type", &format!("`{other}` is none of {known}")));
            }
        };
        let provider = self.provider(one, kind, title)?;
        ways.providers.push(provider);
        Ok(())
    }

    fn provider(
        &self,
        one: &Authenticator,
        kind: ProviderKind,
        title: String,
    ) -> Result<ProviderConfig, ConfigError> {
        let what = one.kind.to_ascii_lowercase();
        if one.oauth_client_id.is_empty() || one.oauth_client_secret.expose().is_empty() {
            let advice =
                "missing; register this server with the provider, which gives an id and a secret";
            return Err(wrong("oauth_client_id, oauth_client_secret", advice));
        }
        let (path, title) = match (&kind, one.oidc_name.as_str()) {
            (ProviderKind::Oidc { .. }, name) if !name.is_empty() && what == "oidc" => {
                (format!("oidc/{}", sound_name(name)?), name.to_owned())
            }
            _ => (what.clone(), title),
        };
        let claims = one.claims.clone().unwrap_or_default();
        if what == "github" && one.claims.is_some() {
            return Err(wrong("claims", "GitHub has no claims; grant roles to users here"));
        }
        let usual = if what == "azure" { "preferred_username" } else { "email" };
        let newcomers = self.newcomers(one, &kind, &what)?;
        Ok(ProviderConfig {
            redirect: format!("{}/auth/{path}/callback", self.public_base()?),
            username: given(&claims.username).unwrap_or_else(|| usual.to_owned()),
            needs_verified_email: !claims.allow_unverified_email,
            roles: given(&claims.roles),
            role_map: role_map(&claims)?,
            replaces_roles: claims.override_acls,
            client_id: one.oauth_client_id.clone(),
            client_secret: one.oauth_client_secret.duplicate(),
            parameters: parameters(one)?,
            kind,
            path,
            title,
            newcomers,
        })
    }

    /// `GUI.public_url` without its page.
    fn public_base(&self) -> Result<&str, ConfigError> {
        let url = &self.gui.public_url;
        let invalid = |problem: &str| ConfigError::invalid("GUI.public_url", problem);
        let base = url.strip_suffix(PAGE).ok_or_else(|| {
            invalid(
                "missing; providers send people back to it, as `https://troodon.example/app/index.html`",
            )
        })?;
        if !is_safe(base) {
            return Err(invalid(
                "has to begin with https://, or sign-ins could be read on the way",
            ));
        }
        Ok(base)
    }

    /// Roles for everybody whom the provider knows, which has to be somebody's own provider.
    fn newcomers(
        &self,
        one: &Authenticator,
        kind: &ProviderKind,
        what: &str,
    ) -> Result<BTreeSet<Role>, ConfigError> {
        let roles = roles("default_roles_for_unknown_user", &one.default_roles_for_unknown_user)?;
        let is_for_all = what == "google" || matches!(kind, ProviderKind::GitHub { .. });
        if is_for_all && !roles.is_empty() {
            let problem = "everybody in the world can have an account there; make users by `troodon user add`";
            return Err(wrong("default_roles_for_unknown_user", problem));
        }
        Ok(roles)
    }
}

const SAML: &str = "this server does not read SAML; let a proxy do it that speaks OpenID Connect to this server (dex, \
                    Keycloak), and use type OIDC";
const CERTS: &str = "nobody sees certificates while GUI.use_plain_http is set, and no header of a proxy is believed; \
                     remove one of the two";

/// Whether what is sent to an address is read by nobody on the way: TLS, or this machine.
#[must_use]
pub(crate) fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<axum::http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_here,
        _ => false,
    }
}

fn issuer(one: &Authenticator) -> Result<&str, ConfigError> {
    let issuer = one.oidc_issuer.as_str();
    if issuer.is_empty() {
        return Err(wrong("oidc_issuer", "missing; the provider's documentation names it"));
    }
    if !is_safe(issuer) {
        let problem = format!("`{issuer}` does not begin with https://, or names no host");
        return Err(wrong("oidc_issuer", &problem));
    }
    Ok(issuer)
}

/// The id of one tenant: with `common`, every account at Microsoft could sign in.
fn tenant(one: &Authenticator) -> Result<String, ConfigError> {
    let tenant = one.tenant.to_ascii_lowercase();
    let lengths: Vec<_> = tenant.split('-').map(str::len).collect();
    let is_hex = tenant.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if is_hex && lengths == [8, 4, 4, 4, 12] {
        return Ok(tenant);
    }
    Err(wrong("tenant", "has to be the id of your tenant, as 8f14e45f-ceea-467f-9a5b-0123456789ab"))
}

fn sound_name(name: &str) -> Result<&str, ConfigError> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    if name.bytes().all(sound) && !["login", "callback"].contains(&name) {
        return Ok(name);
    }
    Err(wrong(
        "oidc_name",
        &format!("`{name}` is part of an address: use letters, digits, - and _"),
    ))
}

fn parameters(one: &Authenticator) -> Result<BTreeMap<String, String>, ConfigError> {
    let all = &one.oidc_auth_url_params;
    match all.keys().find(|name| OWN_PARAMETERS.contains(&name.as_str())) {
        Some(name) => {
            let problem = format!("`{name}` is chosen by this server for each sign-in; remove it");
            Err(wrong("oidc_auth_url_params", &problem))
        }
        None => Ok(all.clone()),
    }
}

fn role_map(claims: &OidcClaims) -> Result<BTreeMap<String, BTreeSet<Role>>, ConfigError> {
    if claims.roles.is_empty() != claims.role_map.is_empty() {
        let problem = "one does nothing without the other; set both or none";
        return Err(wrong("claims.roles, claims.role_map", problem));
    }
    let mapped = claims.role_map.iter().map(|(theirs, ours)| {
        if !ours.permissions.is_empty() {
            let problem = format!("`{theirs}`: permissions are not granted this way; name roles");
            return Err(wrong("claims.role_map", &problem));
        }
        Ok((theirs.clone(), roles("claims.role_map", &ours.roles)?))
    });
    mapped.collect()
}

fn roles(key: &str, names: &[String]) -> Result<BTreeSet<Role>, ConfigError> {
    let role = |name: &String| {
        Role::named(name).ok_or_else(|| wrong(key, &format!("there is no role `{name}`")))
    };
    names.iter().map(role).collect()
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn wrong(key: &str, problem: &str) -> ConfigError {
    ConfigError::invalid(format!("{KEY}.{key}"), problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(authenticator: &str) -> Config {
        let text = format!(
            "GUI:\n  public_url: https://troodon.example/app/index.html\n  authenticator: {authenticator}\n"
        );
        Config::parse(&text, "test").unwrap()
    }

    fn error(authenticator: &str) -> String {
        config(authenticator).sign_on().unwrap_err().to_string()
    }

    #[test]
    fn several_ways_stand_beside_each_other() {
        let ways = config(
            "{type: Multi, sub_authenticators: [{type: basic}, {type: google, oauth_client_id: a, \
             oauth_client_secret: b}, {type: OIDC, oidc_name: corp, oidc_issuer: 'https://id.example', \
             oauth_client_id: a, oauth_client_secret: b}]}",
        );
        let ways = ways.sign_on().unwrap();
        assert!(ways.passwords);
        let paths: Vec<_> = ways.providers.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["google", "oidc/corp"]);
        assert_eq!(ways.providers[1].redirect, "https://troodon.example/auth/oidc/corp/callback");
        assert!(Config::default().sign_on().unwrap().passwords);
        let oidc = "{type: oidc, oidc_issuer: 'https://id.example', oauth_client_id: a, oauth_client_secret: b}";
        assert!(!config(oidc).sign_on().unwrap().passwords);
    }

    #[test]
    fn what_would_let_strangers_in_or_cannot_work_is_refused_with_its_key() {
        const ID: &str = "oauth_client_id: a, oauth_client_secret: b";
        const OIDC: &str = "type: OIDC, oidc_issuer: 'https://id.example', oauth_client_id: a, oauth_client_secret: b";
        for (text, key) in [
            ("{type: SAML}".to_owned(), "type: this server does not read SAML"),
            ("{type: Kerberos}".to_owned(), "`kerberos` is none of Basic, Certs, OIDC"),
            ("{type: Multi}".to_owned(), "sub_authenticators"),
            (format!("{{type: OIDC, {ID}}}"), "oidc_issuer: missing"),
            (format!("{{type: OIDC, oidc_issuer: 'http://id.example', {ID}}}"), "https://"),
            ("{type: Google}".to_owned(), "oauth_client_id"),
            (format!("{{type: Azure, {ID}}}"), "tenant"),
            (format!("{{type: Azure, tenant: common, {ID}}}"), "tenant"),
            (
                format!("{{type: GitHub, default_roles_for_unknown_user: [reader], {ID}}}"),
                "default_roles_for_unknown_user: everybody",
            ),
            (format!("{{type: GitHub, claims: {{roles: x}}, {ID}}}"), "claims: GitHub has none"),
            (format!("{{{OIDC}, oidc_name: a/b}}"), "oidc_name"),
            (format!("{{{OIDC}, oidc_auth_url_params: {{state: x}}}}"), "`state` is chosen"),
            (format!("{{{OIDC}, claims: {{roles: groups}}}}"), "set both or none"),
            (
                format!("{{{OIDC}, claims: {{roles: g, role_map: {{a: {{roles: [king]}}}}}}}}"),
                "no role `king`",
            ),
            (
                format!("{{{OIDC}, claims: {{roles: g, role_map: {{a: {{permissions: [X]}}}}}}}}"),
                "permissions are not granted",
            ),
            (
                format!("{{type: Multi, sub_authenticators: [{{{OIDC}}}, {{{OIDC}}}]}}"),
                "two providers",
            ),
        ] {
            let found = error(&text);
            let key = key.replace("has none", "has no claims");
            assert!(
                found.starts_with("GUI.authenticator.") && found.contains(&key),
                "{text}: {found}"
            );
        }
        let mut plain = config(&format!("{{{OIDC}}}"));
        plain.gui.public_url = "http://troodon.example/app/index.html".into();
        assert!(plain.sign_on().unwrap_err().to_string().starts_with("GUI.public_url"));
        plain.gui.public_url.clear();
        assert!(plain.sign_on().unwrap_err().to_string().starts_with("GUI.public_url"));
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for good in ["https://a", "http://127.0.0.1:5", "http://localhost/x", "http://[::1]:1/"] {
            assert!(is_safe(good), "{good}");
        }
        for bad in ["http://a", "http://127.0.0.1.evil/", "ftp://localhost", "", "/a", "https:///x"]
        {
            assert!(!is_safe(bad), "{bad}");
        }
    }
}
