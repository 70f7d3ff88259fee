//! A running server that tags in this process's stead.
//!
//! Owns connecting to it and waiting for its past prices. What is read and written stays here.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::local::leave_today_out;
use super::options::{QuotesArg, TagArgs};
use crate::annotate::{Record, RecordError};
use crate::api::QuoteMode;
use crate::archive::{Annotator, ArchiveError};
use crate::grpc::client::ClientTls;
use crate::grpc::tag_client::TagClient;
use crate::market::QuoteAnswer;
use crate::mention::{Context, Document, Options};

/// How long a connection may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// So many of the documents that lack prices are waited for, before all of them are asked for again.
const PROBES: usize = 8;

type Answers = Vec<Result<Record, RecordError>>;

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
    /// Prices are those of the time of publication.
    published: bool,
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
            QuotesArg::Published => QuoteMode::AtPublication,
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
        let published = mode == QuoteMode::AtPublication;
        if published && client.versions().quote_wait_max.is_zero() {
            return Err(ArchiveError::Refused(format!(
                "the server at {addr} lets nobody wait for prices; raise its limits.quote_wait_max, or give --quotes none"
            )));
        }
        Ok(Self { client, runtime, context, published })
    }

    fn ask(&self, client: &TagClient, documents: Vec<Document>) -> Result<Answers, ArchiveError> {
        let answers = self.runtime.block_on(client.tag(documents));
        answers.map_err(|error| ArchiveError::Annotator(error.to_string()))
    }

    /// Asks again for what lacks prices, as long as the server fetches some of them. The first time nobody waited, so
    /// that it knows of all that is wanted and its calls are full.
    fn wait_for_prices(&self, documents: &[Document], answers: &mut Answers) -> Result<(), ArchiveError> {
        let mut left = awaited(answers);
        while !left.is_empty() {
            let fetches = self.probe(documents, &left)?;
            let again = left.iter().map(|at| documents[*at].clone()).collect();
            for (at, answer) in left.iter().zip(self.ask(&self.client, again)?) {
                answers[*at] = answer;
            }
            let now = awaited(answers);
            if now.len() == left.len() && !fetches {
                // Its markets rest: what they have stays pending.
                return Ok(());
            }
            left = now;
        }
        Ok(())
    }

    /// Waits for the prices of some of the documents in `left`; whether the server was still fetching when the wait was
    /// over.
    fn probe(&self, documents: &[Document], left: &[usize]) -> Result<bool, ArchiveError> {
        let (waiting, most) = (self.client.waiting(), self.client.versions().quote_wait_max);
        let mut fetches = false;
        for at in left.iter().step_by(left.len().div_ceil(PROBES)) {
            let begun = Instant::now();
            let answer = self.ask(&waiting, vec![documents[*at].clone()])?;
            // It answers early when nothing more is to come.
            fetches |= !awaited(&answer).is_empty() && begun.elapsed() >= most;
        }
        Ok(fetches)
    }
}

/// The places of answers that lack prices which may still come.
fn awaited(answers: &Answers) -> Vec<usize> {
    let lacks = |answer: &Result<Record, RecordError>| {
        let mentions = answer.iter().flat_map(|record| &record.mentions);
        mentions.filter_map(|mention| mention.quote.as_ref()).any(QuoteAnswer::is_awaited)
    };
    (0..answers.len()).filter(|at| lacks(&answers[*at])).collect()
}

impl Annotator for Remote {
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError> {
        let documents = documents.into_iter().map(|document| Document { context: self.context, ..document });
        let documents: Vec<Document> = documents.collect();
        if !self.published {
            return self.ask(&self.client, documents);
        }
        let mut answers = self.ask(&self.client, documents.clone())?;
        self.wait_for_prices(&documents, &mut answers)?;
        let mentions = answers.iter_mut().flatten().flat_map(|record| &mut record.mentions);
        mentions.filter_map(|mention| mention.quote.as_mut()).for_each(leave_today_out);
        Ok(answers)
    }
}
