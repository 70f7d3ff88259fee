//! A running server that tags in this process's stead.
//!
//! Owns connecting to it. What is read and written stays here.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::options::{QuotesArg, TagArgs};
use crate::annotate::{Record, RecordError};
use crate::api::QuoteMode;
use crate::archive::{Annotator, ArchiveError};
use crate::grpc::client::ClientTls;
use crate::grpc::tag_client::TagClient;
use crate::mention::{Context, Document, Options};

/// How long a connection may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Options of a running server.
#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// Let the running server at HOST:PORT tag, over as many streams as --jobs says
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["catalog", "overlay"])]
    pub(super) server: Option<String>,
    /// Connect to it with TLS
    #[arg(long, requires = "server")]
    server_tls: bool,
    /// Authority that signed its certificate, as PEM [default: those of the system]
    #[arg(long, value_name = "FILE", requires = "server")]
    server_ca: Option<PathBuf>,
    /// Name in its certificate [default: the host of the address]
    #[arg(long, value_name = "NAME", requires = "server")]
    server_name: Option<String>,
    /// A file that holds our key and nothing else
    #[arg(long, value_name = "FILE", requires = "server")]
    server_key_file: Option<PathBuf>,
}

/// A server to tag with.
pub(super) struct Remote {
    pub(super) client: TagClient,
    runtime: tokio::runtime::Runtime,
    context: Context,
}

impl Remote {
    /// Connects to the server at `addr`.
    pub(super) fn connect(
        addr: &str,
        args: &TagArgs,
        options: &Options,
        quotes: QuotesArg,
    ) -> Result<Self, ArchiveError> {
        let context = args.context();
        let mode = match quotes {
            QuotesArg::None => QuoteMode::None,
            QuotesArg::Live => QuoteMode::Live,
            QuotesArg::Published => {
                let why = "--server does not wait for prices of the past; leave it out, or give --quotes none or live";
                return Err(ArchiveError::Refused(why.to_owned()));
            }
        };
        let (currency, args) = (args.currency.as_str(), &args.server);
        let failed = |error: &dyn std::fmt::Display| ArchiveError::Annotator(error.to_string());
        let with_tls = args.server_tls || args.server_ca.is_some() || args.server_name.is_some();
        let tls = with_tls.then(|| ClientTls {
            ca: args.server_ca.clone(),
            identity: None,
            server_name: args.server_name.clone(),
        });
        let key = match &args.server_key_file {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|source| ArchiveError::Read { path: path.display().to_string(), source })?,
            ),
            None => None,
        };
        let key = key.as_deref().map(str::trim);
        let runtime = crate::cli::runtime().map_err(|error| failed(&error))?;
        let connected = TagClient::connect(addr, TIMEOUT, tls.as_ref(), key, options, mode, currency);
        let client = runtime.block_on(connected).map_err(|error| failed(&error))?;
        Ok(Self { client, runtime, context })
    }
}

impl Annotator for Remote {
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError> {
        let documents = documents.into_iter().map(|document| Document { context: self.context, ..document });
        let answers = self.runtime.block_on(self.client.tag(documents.collect()));
        answers.map_err(|error| ArchiveError::Annotator(error.to_string()))
    }
}
