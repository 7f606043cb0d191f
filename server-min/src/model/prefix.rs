//! Which paths queries may reach: lists of prefixes, as `security.allowed_file_accessor_prefix` and
//! `denied_file_accessor_prefix` have them.

use std::path::Path;

/// Both lists.
#[derive(Debug, Clone, Default)]
pub struct Prefixes {
    /// Not empty: nothing else may be reached.
    pub allowed: Vec<String>,
    /// May not be reached, unless a longer prefix in `allowed` fits.
    pub denied: Vec<String>,
}

impl Prefixes {
    /// Whether a path may be reached. It has to be absolute, without links and `..`: the text alone counts here.
    ///
    /// What is denied is denied by any letters that it begins with, `/etc/sh` denies `/etc/shadow`; what is allowed ends
    /// with a whole component. In doubt a path is not reached.
    #[must_use]
    pub fn allow(&self, path: &Path) -> bool {
        let longest = |found: &mut dyn Iterator<Item = &String>| found.map(String::len).max();
        let allowed = longest(&mut self.allowed.iter().filter(|one| path.starts_with(one)));
        let text = path.to_string_lossy();
        let denied = longest(&mut self.denied.iter().filter(|one| text.starts_with(one.as_str())));
        match (allowed, denied) {
            (Some(allowed), Some(denied)) => allowed > denied,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => self.allowed.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &[&str], denied: &[&str], path: &str) -> bool {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        Prefixes { allowed: owned(allowed), denied: owned(denied) }.allow(Path::new(path))
    }

    #[test]
    fn the_longer_prefix_decides_and_with_an_allow_list_everything_else_is_refused() {
        for (allowed, denied, path, expected) in [
            (&[][..], &[][..], "/etc/passwd", true),
            (&[], &["/etc"], "/etc/passwd", false),
            (&[], &["/etc"], "/var/log", true),
            (&["/etc/ssl"], &["/etc"], "/etc/ssl/openssl.cnf", true),
            (&["/etc/ssl"], &["/etc"], "/etc/passwd", false),
            (&["/etc"], &["/etc/ssl"], "/etc/ssl/private", false),
            (&["/etc"], &["/etc"], "/etc/passwd", false),
            (&["/var/log"], &[], "/etc/passwd", false),
            (&["/var/log"], &[], "/var/log/syslog", true),
            (&["/var/log"], &[], "/var/logs", false),
            (&[], &["/etc/sh"], "/etc/shadow", false),
            (&["/"], &["/etc"], "/etc/passwd", false),
        ] {
            assert_eq!(allows(allowed, denied, path), expected, "{allowed:?} {denied:?} {path}");
        }
    }
}
