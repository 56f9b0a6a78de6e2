//! A certificate authority for one test server.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Writes `ca.pem` into one directory, and a server's certificate for `localhost` and its key into
/// its data directory; returns the files that the server must own.
pub(super) fn write(directory: &Path, data: &Path) -> Result<Vec<PathBuf>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "AutoDump local test authority");
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let server_key = KeyPair::generate()?;
    let server = CertificateParams::new(names)?.signed_by(&server_key, &issuer)?;

    let bundle = directory.join("ca.pem");
    let (certificate, key) = (data.join("server.crt"), data.join("server.key"));
    std::fs::write(&bundle, authority_certificate.pem())?;
    std::fs::write(&certificate, server.pem())?;
    std::fs::write(&key, server_key.serialize_pem())?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    Ok(vec![bundle, certificate, key])
}
