//! The definitions that come with the program.

/// A file below `artifacts/` with its name.
macro_rules! definitions {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../artifacts/", $name)))),*]
    };
}

/// File name and text of each.
pub(super) const DEFINITIONS: &[(&str, &str)] = definitions![
    "Generic.Client.Info.yaml",
    "Generic.Client.Stats.yaml",
    "Generic.File.Collect.yaml",
    "Generic.File.Hash.yaml",
    "Generic.File.Search.yaml",
    "Linux.Events.Logins.yaml",
    "Linux.Events.Processes.yaml",
    "Linux.Network.Interfaces.yaml",
    "Linux.Network.Sockets.yaml",
    "Linux.Sys.Command.yaml",
    "Linux.Sys.Mounts.yaml",
    "Linux.Sys.Processes.yaml",
    "Linux.Sys.Users.yaml",
    "Server.Clients.Systems.yaml",
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Artifact, Repository};
    use super::DEFINITIONS;

    #[test]
    fn every_file_of_the_folder_is_built_in_under_its_own_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(files, DEFINITIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (file, text) in DEFINITIONS {
            let artifact = Artifact::parse(text, file).unwrap();
            assert_eq!(format!("{}.yaml", artifact.name), *file);
            assert!(!artifact.description.is_empty(), "{file}");
        }
    }

    #[test]
    fn built_in_definitions_cannot_be_replaced() {
        let mut repository = Repository::built_in().unwrap();
        let text = "name: Generic.Client.Info\n";
        let error = repository.add(text, "mine.yaml", super::super::Origin::Given).unwrap_err();
        assert!(error.problem.contains("Custom.Generic.Client.Info"), "{error}");
    }
}
