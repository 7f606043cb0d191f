//! Older places of a key: they are accepted, and what they hold moves to today's place.

use super::Config;

/// Moves the lists of `defaults` to `security`, and other keys to where they live today.
pub(super) fn migrate(mut config: Config) -> Config {
    let Config { defaults, security, frontend, .. } = &mut config;
    for (old, new) in [
        (&mut defaults.allowed_plugins, &mut security.allowed_plugins),
        (&mut defaults.allowed_functions, &mut security.allowed_functions),
        (&mut defaults.allowed_accessors, &mut security.allowed_accessors),
        (&mut defaults.denied_plugins, &mut security.denied_plugins),
        (&mut defaults.denied_functions, &mut security.denied_functions),
        (&mut defaults.denied_accessors, &mut security.denied_accessors),
        (&mut defaults.lockdown_denied_permissions, &mut security.lockdown_denied_permissions),
    ] {
        new.append(old);
    }
    let days = std::mem::take(&mut defaults.certificate_validity_days);
    if security.certificate_validity_days == 0 {
        security.certificate_validity_days = days;
    }
    let name = std::mem::take(&mut frontend.dns_name);
    if frontend.hostname.is_empty() {
        frontend.hostname = name;
    }
    config
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn lists_under_defaults_move_to_security() -> Result<(), super::super::ConfigError> {
        let text =
            "defaults:\n  allowed_plugins: [clients]\nsecurity:\n  allowed_plugins: [flows]\n";
        let config = Config::parse(text, "test")?;
        assert_eq!(config.security.allowed_plugins, ["flows", "clients"]);
        assert!(config.defaults.allowed_plugins.is_empty());
        Ok(())
    }
}
