//! Hidden names and client ids.

use troodon_core::identity::ClientId;
use troodon_core::obfuscation::Obfuscator;

/// Any text as a hidden name, as a log line with some in it, as a name to hide, and as a client id.
pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let obfuscator = Obfuscator::new("AAECAwQFBgc=");
    assert_eq!(obfuscator.reveal(&obfuscator.hide(&text)).as_deref(), Some(&*text));
    let _ = (obfuscator.reveal(&text), obfuscator.reveal_in(&text));
    if let Ok(id) = ClientId::parse(&text) {
        assert_eq!(id.as_str(), text);
    }
}

/// Seeds of [`names`].
pub fn texts() -> Vec<Vec<u8>> {
    let hidden = Obfuscator::new("AAECAwQFBgc=").hide("Generic.Client.Info");
    vec![hidden.into_bytes(), b"query $00 $".to_vec(), b"C.5170dd5921551ec7".to_vec()]
}
