//! The client side of health, for `cointag health` in images without a shell.

use std::path::PathBuf;
use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Why a server is not known to serve; one variant per exit code.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// What was given is no address.
    #[error("`{0}` is no address; give HOST:PORT, such as 127.0.0.1:50051")]
    Address(String),
    /// A certificate or key cannot be read.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// Nobody answers there.
    #[error("cannot connect to {addr}: {problem}")]
    Connect {
        /// Where.
        addr: String,
        /// Why.
        problem: String,
    },
    /// Somebody answers, but not the question.
    #[error("the call failed: {0}")]
    Call(String),
    /// The server says so itself.
    #[error("not serving ({0})")]
    NotServing(&'static str),
}

/// How to speak to a server with TLS.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    /// Authority that signed the server's certificate; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Name in the server's certificate; `None`: the host of the address.
    pub server_name: Option<String>,
}

impl ClientTls {
    fn load(&self) -> Result<ClientTlsConfig, HealthError> {
        let read = |path: &PathBuf| {
            std::fs::read(path)
                .map_err(|error| HealthError::File { path: path.clone(), problem: error.to_string() })
        };
        let mut tls = match &self.ca {
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let Some((cert, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        Ok(match &self.server_name {
            Some(name) => tls.domain_name(name),
            None => tls,
        })
    }
}

/// Asks the server at `addr` whether `service` (`""`: the whole server) is serving.
///
/// # Errors
/// Everything but "serving", within `timeout`.
pub async fn check(
    addr: &str,
    service: &str,
    timeout: Duration,
    tls: Option<&ClientTls>,
) -> Result<(), HealthError> {
    let connect = |problem: String| HealthError::Connect { addr: addr.to_owned(), problem };
    let endpoint = endpoint(addr, tls)?;
    let channel = match tokio::time::timeout(timeout, endpoint.connect()).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => return Err(connect(root_cause(&error))),
        Err(_) => return Err(connect(format!("no answer within {timeout:?}"))),
    };
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = match tokio::time::timeout(timeout, HealthClient::new(channel).check(request)).await {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => return Err(HealthError::Call(format!("{}: {}", status.code(), status.message()))),
        Err(_) => return Err(HealthError::Call(format!("no answer within {timeout:?}"))),
    };
    match answer.status() {
        ServingStatus::Serving => Ok(()),
        other => Err(HealthError::NotServing(other.as_str_name())),
    }
}

/// Where the server at `addr` is, and how to speak to it.
pub(super) fn endpoint(addr: &str, tls: Option<&ClientTls>) -> Result<Endpoint, HealthError> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{addr}"))
        .ok()
        .filter(|endpoint| endpoint.uri().port().is_some() && endpoint.uri().path() == "/")
        .ok_or_else(|| HealthError::Address(addr.to_owned()))?;
    match tls {
        Some(tls) => endpoint
            .tls_config(tls.load()?)
            .map_err(|error| HealthError::Connect { addr: addr.to_owned(), problem: root_cause(&error) }),
        None => Ok(endpoint),
    }
}

/// tonic's own text is "transport error"; the reason lies below it.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
