//! `[tls]`: certificates and whom to trust. Read again while running, so that a renewed certificate needs no restart.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

/// Section `[tls]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The server's certificate and those between it and the authority, as PEM. Unset: no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Authorities of client certificates, as PEM. Set: a client without one is turned away (mTLS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// Why a connection cannot be encrypted as configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the pair is missing.
    #[error("[tls] needs both `cert` and `key`; `client_ca` works only with them")]
    Incomplete,
    /// A file cannot be used. Never says what is in it.
    #[error("tls.{option}: {}: {problem}", path.display())]
    File {
        /// The option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
}

/// Encrypts connections; all clones share the certificate in force.
#[derive(Clone)]
pub struct Tls {
    files: Arc<Config>,
    now: Arc<ArcSwap<ServerConfig>>,
}

impl Tls {
    /// `None`: no TLS is configured.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn load(config: &Config) -> Result<Option<Self>, TlsError> {
        if *config == Config::default() {
            return Ok(None);
        }
        let now = Arc::new(ArcSwap::from_pointee(read(config)?));
        Ok(Some(Self { files: Arc::new(config.clone()), now }))
    }

    /// Reads the files again; new connections use them. Those that are open go on as they are.
    ///
    /// # Errors
    /// A file cannot be used; what was in force stays in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.now.store(Arc::new(read(&self.files)?));
        Ok(())
    }

    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<Arc<str>>)> {
        let stream = TlsAcceptor::from(self.now.load_full()).accept(stream).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let name = certificate.map(|certificate| {
            let hash = blake3::hash(certificate).to_hex();
            Arc::from(format!("cert-{}", &hash[..16]))
        });
        Ok((stream, name))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

fn read(config: &Config) -> Result<ServerConfig, TlsError> {
    let (Some(cert), Some(key)) = (&config.cert, &config.key) else { return Err(TlsError::Incomplete) };
    let chain = certificates("cert", cert)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| fault("key", key, error))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault("cert", cert, error))?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates("client_ca", path)? {
                roots.add(root).map_err(|error| fault("client_ca", path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder
                .with_client_cert_verifier(verifier.build().map_err(|error| fault("client_ca", path, error))?)
        }
    };
    let mut server = builder.with_single_cert(chain, private).map_err(|error| fault("key", key, error))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(server)
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| fault(option, path, error))?.collect();
    let found = found.map_err(|error| fault(option, path, error))?;
    if found.is_empty() {
        return Err(fault(option, path, "holds no certificate"));
    }
    Ok(found)
}

fn fault(option: &'static str, path: &Path, problem: impl fmt::Display) -> TlsError {
    TlsError::File { option, path: path.to_owned(), problem: problem.to_string() }
}
