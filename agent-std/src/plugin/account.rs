//! `users()`: the accounts of `/etc/passwd`.

use std::path::Path;

use troodon_vql::{Availability, Columns, Fault, Plugin, Pull, Row, Value};

use crate::proc::account::{Accounts, PASSWD};

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] =
    &[&Plugin::new("users", "The local accounts of /etc/passwd.", &[], |_, _, _| {
        let mut accounts = Accounts::open(Path::new(PASSWD))
            .map_err(|why| Fault::note(format!("{PASSWD}: {why}")))?;
        let columns = Columns::fixed(&["User", "Description", "Uid", "Gid", "Homedir", "Shell"]);
        Ok(Box::new(Pull::new(move |_| {
            Ok(accounts.next().map(|account| {
                let values = vec![
                    Value::from(account.name),
                    Value::from(account.description),
                    Value::from(account.uid),
                    Value::from(account.gid),
                    Value::from(account.home),
                    Value::from(account.shell),
                ];
                Row::new(&columns, values)
            }))
        })))
    })
    .on(Availability::Linux)];
