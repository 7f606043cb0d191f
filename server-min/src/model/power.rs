//! What a plugin or function can do to the machine on which it runs, or to the deployment: by its name, so that it is known
//! of those that only other programs have.

use troodon_vql::Permission;

use super::role::Rights;

/// What everybody can do who may collect from clients at all: look at a machine without changing it.
pub const OF_COLLECTING: Rights =
    Rights::of(&[Permission::FilesystemRead, Permission::MachineState]);

/// Names that need a permission, separated by blanks. Those that read files need it for the accessor that they use.
const POWERS: &[(Permission, &str)] = &[
    (
        Permission::ReadResults,
        "artifact_definitions client_info client_metadata clients enumerate_flow favorites_list flow_logs \
         flow_results flows get_client_monitoring get_flow get_server_monitoring hunt_flows hunt_info \
         hunt_results hunts monitoring monitoring_logs notebook_get notebooks parallelize source timeline \
         timeline_add timelines upload_transactions uploads watch_monitoring",
    ),
    (Permission::LabelClient, "label"),
    (
        Permission::CollectClient,
        "add_client_monitoring cancel_flow client_set_metadata collect_client rm_client_monitoring \
         set_client_monitoring",
    ),
    (Permission::StartHunt, "hunt hunt_add hunt_update"),
    (
        Permission::CollectServer,
        "add_server_monitoring deb_create import_collection notebook_create notebook_update \
         notebook_update_cell repack rm_server_monitoring rpm_create set_server_monitoring",
    ),
    (Permission::ArtifactWriter, "artifact_delete artifact_set artifact_set_metadata"),
    (Permission::Execve, "execve pskill rekey shell_session shell_session_control"),
    (Permission::NotebookEditor, "timeline_delete"),
    (
        Permission::ServerAdmin,
        "backup backup_restore client_create client_delete file_store_delete hunt_delete inventory_add \
         inventory_get logging notebook_delete panic pk_decrypt secret_add secret_modify secrets send_event \
         server_metadata server_set_metadata user_create user_delete user_grant user_messages user_options",
    ),
    (Permission::OrgAdmin, "org_create org_delete"),
    (
        Permission::FilesystemRead,
        "carve_usn cat compress copy describe_address geoip glob hash import_collection index_search leveldb \
         olevba parse_binary parse_csv parse_ese parse_ese_catalog parse_evtx parse_journald parse_jsonl \
         parse_lines parse_mft parse_pe parse_pst parse_records_with_regex parse_recyclebin parse_usn \
         parse_xml parse_yaml plist prefetch read_crypto_file read_file split_records sql stat tlsh_hash \
         upload upload_azure upload_gcs upload_s3 upload_sftp upload_smb upload_webdav vfs_ls watch_csv \
         watch_evtx watch_journald watch_jsonl watch_syslog xattr yara yarax",
    ),
    (
        Permission::FilesystemWrite,
        "collect compress copy index reg_rm_key reg_rm_value reg_set_value rm tempdir tempfile unzip \
         upload_directory winpmem write_crypto_file write_csv write_file write_jsonl",
    ),
    (
        Permission::Network,
        "adx_upload elastic_upload gcs_pubsub_publish host http_client logscale_upload mail netcat rsyslog \
         splunk_upload upload_azure upload_gcs upload_s3 upload_sftp upload_smb upload_webdav",
    ),
    (
        Permission::MachineState,
        "audit authenticode certificates connections efivariables environ etw_sessions expand getpid handles \
         info interfaces killkillkill lookupSID modules netstat pe_dump proc_dump proc_yara profile \
         profile_goroutines profile_memory pslist server_frontend_cert sysinfo threads token watch_ebpf \
         winobj winpmem wmi wmi_events",
    ),
    (
        Permission::PrepareResults,
        "create_flow_download create_hunt_download create_notebook_download notebook_export",
    ),
    (Permission::DeleteResults, "delete_events delete_flow"),
];

/// What a call of this name can do; nothing for names of the language itself, and for unknown ones, which do nothing.
#[must_use]
pub fn of_call(name: &str) -> Rights {
    let named = POWERS.iter().filter(|(_, names)| names.split(' ').any(|one| one == name));
    named.fold(Rights::NONE, |all, (permission, _)| all.and(Rights::of(&[*permission])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_all_the_permissions_of_its_name_and_no_others() {
        for (name, expected) in [
            ("execve", "EXECVE"),
            ("copy", "FILESYSTEM_READ FILESYSTEM_WRITE"),
            ("upload_s3", "FILESYSTEM_READ NETWORK"),
            ("glob", "FILESYSTEM_READ"),
            ("pslist", "MACHINE_STATE"),
            ("collect_client", "COLLECT_CLIENT"),
            ("format", ""),
            ("exec", ""),
            ("", ""),
        ] {
            assert_eq!(of_call(name).to_string(), expected, "{name}");
        }
    }
}
