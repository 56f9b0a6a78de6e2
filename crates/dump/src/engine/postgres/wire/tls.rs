//! How much of a server's certificate is checked, by libpq's modes.

use std::path::Path;
use std::sync::Arc;

use autodump_core::secret::{SecretValue, SslMode};
use autodump_core::{Error, ErrorClass, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::super::stderr;
use super::names::{common_name, name_fits};

/// How TLS is to be used with this secret; `None` where it is not to be used.
pub(super) fn config(secret: &SecretValue, ca_bundle: &Path) -> Result<Option<Arc<ClientConfig>>> {
    let (roots, name) = match (secret.sslmode, &secret.sslrootcert) {
        (SslMode::Disable, _) => return Ok(None),
        (SslMode::Prefer, _) | (SslMode::Require, None) => (None, false),
        (SslMode::Require | SslMode::VerifyCa, Some(pem)) => (Some(own_roots(pem)?), false),
        (SslMode::VerifyFull, Some(pem)) => (Some(own_roots(pem)?), true),
        (SslMode::VerifyCa, None) => (Some(bundle(ca_bundle)?), false),
        (SslMode::VerifyFull, None) => (Some(bundle(ca_bundle)?), true),
    };
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier { roots, name, algorithms: provider.signature_verification_algorithms };
    Ok(Some(Arc::new(client(provider, verifier)?)))
}

fn client(provider: Arc<CryptoProvider>, verifier: Verifier) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            let what = format!("TLS cannot be set up: {error}");
            Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
        })?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn own_roots(pem: &str) -> Result<Roots> {
    Roots::parse(pem.as_bytes()).map_err(|why| wrong_roots(format!("sslrootcert holds {why}")))
}

fn bundle(path: &Path) -> Result<Roots> {
    let pem = std::fs::read(path).map_err(|error| {
        wrong_roots(format!("could not read root certificate file {}: {error}", path.display()))
            .caused_by(error)
    })?;
    Roots::parse(&pem).map_err(|why| {
        wrong_roots(format!("the root certificate file {} holds {why}", path.display()))
    })
}

fn wrong_roots(what: String) -> Error {
    Error::new(stderr::ROOTS.class, what, stderr::ROOTS.hint)
}

/// The certificates that are trusted.
#[derive(Debug)]
struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    anchors: RootCertStore,
}

impl Roots {
    fn parse(pem: &[u8]) -> Result<Self, &'static str> {
        let certificates = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| "no PEM")?;
        let mut anchors = RootCertStore::empty();
        let (usable, _) = anchors.add_parsable_certificates(certificates.iter().cloned());
        if usable == 0 { Err("no certificate") } else { Ok(Self { certificates, anchors }) }
    }
}

/// Checks the chain if there are roots, and then the name if that is wanted.
///
/// As libpq does it, and other than browsers: a certificate that is itself among the roots is
/// trusted, also if it is an authority's (`openssl req -x509` makes such ones), and the
/// common name counts where the certificate has no alternative name.
#[derive(Debug)]
struct Verifier {
    roots: Option<Roots>,
    name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &roots.anchors,
            intermediates,
            now,
            self.algorithms.all,
        )
        .or_else(|error| trusted_itself(roots, end_entity, error))?;
        if self.name {
            verify_server_name(&certificate, server_name)
                .or_else(|error| named_by_common_name(end_entity, server_name, error))?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.roots.is_none() {
            // Whose key it is was not asked either.
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.roots.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// webpki refuses an authority's certificate as a server's with an error that rustls knows no
/// name for, after it has checked the time; what it can name stays an error.
fn trusted_itself(
    roots: &Roots,
    certificate: &CertificateDer<'_>,
    error: rustls::Error,
) -> Result<(), rustls::Error> {
    let unnamed = matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(_)));
    let trusted = roots.certificates.iter().any(|root| root == certificate);
    if unnamed && trusted { Ok(()) } else { Err(error) }
}

fn named_by_common_name(
    certificate: &CertificateDer<'_>,
    host: &ServerName<'_>,
    error: rustls::Error,
) -> Result<(), rustls::Error> {
    let nameless = matches!(&error, rustls::Error::InvalidCertificate(
        CertificateError::NotValidForNameContext { presented, .. }) if presented.is_empty());
    let mut subject = RootCertStore::empty();
    if nameless && subject.add(certificate.clone()).is_ok() {
        let name = subject.roots.first().and_then(|anchor| common_name(&anchor.subject));
        if name.is_some_and(|name| name_fits(name, &host.to_str())) {
            return Ok(());
        }
    }
    Err(error)
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
