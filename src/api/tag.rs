//! Tags one document: checks the request, annotates, prices.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::quotes::{Pricing, currency};
use super::{Api, Error, Limits, past};
use crate::annotate::Record;
use crate::catalog::TokenIndex;
use crate::mention::{Ambiguity, ContentType, Context, Document, Kind, OffsetUnit, Options};

/// A document and how to answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagRequest {
    /// The text to read.
    pub document: DocumentFields,
    /// How to answer.
    #[serde(default)]
    pub options: TagOptions,
}

/// A document under the names of the gRPC message.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "as in `mention::Document`")]
pub struct DocumentFields {
    pub id: Option<String>,
    pub title: String,
    pub body: String,
    pub content_type: ContentType,
    pub published_at: Option<Timestamp>,
    pub language: Option<String>,
    pub context: Context,
}

/// How to answer; the detection part as in [`Options`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TagOptions {
    /// Least confidence of a mention, 0 to 1.
    pub min_confidence: Option<f64>,
    /// What to do with shared surfaces.
    pub ambiguity: Ambiguity,
    /// Unit of the spans.
    pub offset_unit: OffsetUnit,
    /// Also report what was not believed.
    pub explain: bool,
    /// Which kinds to report; empty means tokens alone.
    pub kinds: Vec<Kind>,
    /// At most this many mentions; 0 = all.
    pub max_mentions: u32,
    /// Whether to attach prices.
    pub quotes: QuoteMode,
    /// How long to wait for prices that are not known yet; capped by the limits.
    pub quote_wait_ms: u32,
    /// ISO code, BTC or ETH; absent: USD.
    pub currency: Option<String>,
    /// Withhold older prices.
    pub max_quote_age_s: Option<f64>,
}

/// Whether, and for which time, to attach prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteMode {
    /// No prices.
    None,
    /// The newest price known.
    #[default]
    Live,
    /// The price when the document was published.
    AtPublication,
}

impl Api {
    /// Finds the tokens of a document and prices them. Waits only if the caller asks to.
    ///
    /// # Errors
    /// The request breaks a limit or asks for a part that is not built yet.
    pub async fn tag(&self, request: TagRequest) -> Result<Record, Error> {
        let TagRequest { document, options } = request;
        check_document(&document, &self.limits)?;
        let pricing = check_options(&options, &self.limits)?;
        let document = Document::from(document);
        let at_publication = options.quotes == QuoteMode::AtPublication;
        let options = Options::from(options);
        let Some(pricing) = pricing else {
            return self.pool.annotate(&self.detector, document, options, None).await;
        };
        if at_publication {
            return self.tag_at_publication(document, options, &pricing).await;
        }
        let prices = Some((self.markets.snapshot(), self.markets.now()));
        let mut record = self.pool.annotate(&self.detector, document, options, prices).await?;
        self.price(&mut record, &pricing).await;
        Ok(record)
    }

    async fn tag_at_publication(
        &self,
        document: Document,
        options: Options,
        pricing: &Pricing,
    ) -> Result<Record, Error> {
        let (catalog, published_at) = (self.detector.catalog(), document.published_at);
        let mut record = self.pool.annotate(&self.detector, document, options, None).await?;
        let tokens = past::tokens(catalog, &record);
        self.markets.want(&tokens);
        if let Some(at) = published_at {
            past::fetch(&self.markets, tokens.into_iter().map(|token| (token, at)), pricing.wait).await;
        }
        past::price_at_publication(catalog, &self.markets, &mut record, published_at);
        self.convert(&mut record, pricing).await;
        Ok(record)
    }

    /// Waits for what records published at these times cost then, all together, and prices them again.
    pub(super) async fn await_past(
        &self,
        mut records: Vec<(&mut Record, Option<Timestamp>)>,
        options: &TagOptions,
    ) -> Result<(), Error> {
        let Some(pricing) = check_options(options, &self.limits)? else { return Ok(()) };
        let catalog = self.detector.catalog();
        let asked = records.iter().filter_map(|(record, at)| Some((past::tokens(catalog, record), (*at)?)));
        let points = asked.flat_map(|(tokens, at)| tokens.into_iter().map(move |token| (token, at)));
        past::fetch(&self.markets, points, pricing.wait).await;
        for (record, at) in &mut records {
            past::price_at_publication(catalog, &self.markets, record, *at);
            self.convert(record, &pricing).await;
        }
        Ok(())
    }

    /// Tells the markets what is read about, waits if asked to, and applies the caller's own age rule.
    async fn price(&self, record: &mut Record, pricing: &Pricing) {
        let catalog = self.detector.catalog();
        let index = |id: &Option<String>| id.as_deref().and_then(|id| catalog.find(id));
        let tokens: Vec<TokenIndex> =
            record.mentions.iter().filter_map(|mention| index(&mention.token_id)).collect();
        self.markets.want(&tokens);
        if !pricing.wait.is_zero() && !tokens.is_empty() {
            self.markets.wait_for(&tokens, pricing.wait).await;
            let (snapshot, now) = (self.markets.snapshot(), self.markets.now());
            for mention in record.mentions.iter_mut().filter(|mention| mention.quote.is_some()) {
                mention.quote = index(&mention.token_id).map(|token| snapshot.answer(token, now));
            }
        }
        for quote in record.mentions.iter_mut().filter_map(|mention| mention.quote.as_mut()) {
            pricing.withhold_too_old(quote);
        }
        self.convert(record, pricing).await;
    }

    /// Puts every price into the caller's currency.
    async fn convert(&self, record: &mut Record, pricing: &Pricing) {
        pricing.fetch_rates(&self.markets).await;
        for mention in &mut record.mentions {
            let convert = |quote| self.markets.rates().convert(quote, &pricing.currency);
            mention.quote = mention.quote.take().map(convert);
        }
    }
}

impl DocumentFields {
    /// Bytes of all texts together.
    pub(super) fn bytes(&self) -> usize {
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.title.len() + self.body.len() + optional(&self.id) + optional(&self.language)
    }
}

fn check_document(document: &DocumentFields, limits: &Limits) -> Result<(), Error> {
    let (bytes, max) = (document.bytes(), limits.document_bytes_max);
    if bytes > max as usize {
        let what = format!("the document has {bytes} bytes");
        return Err(Error::over_limit("document", what, "document_bytes_max", max));
    }
    Ok(())
}

/// `None`: no prices are asked for.
fn check_options(options: &TagOptions, limits: &Limits) -> Result<Option<Pricing>, Error> {
    // Not "outside 0..1": that would let NaN through.
    if options.min_confidence.is_some_and(|least| !(0.0..=1.0).contains(&least)) {
        return Err(Error::invalid("options.min_confidence", "`min_confidence` lies between 0 and 1"));
    }
    let currency = currency(options.currency.as_deref(), "options.currency")?;
    let pricing =
        Pricing::new(limits, options.quote_wait_ms, options.max_quote_age_s, "options.max_quote_age_s")?;
    Ok((options.quotes != QuoteMode::None).then(|| pricing.in_currency(currency)))
}

impl From<DocumentFields> for Document {
    fn from(fields: DocumentFields) -> Self {
        let DocumentFields { id, title, body, content_type, published_at, language, context } = fields;
        Self { id, title, body, content_type, published_at, language, context }
    }
}

impl From<TagOptions> for Options {
    fn from(options: TagOptions) -> Self {
        let TagOptions { min_confidence, ambiguity, offset_unit, explain, kinds, max_mentions, .. } = options;
        Self { min_confidence, ambiguity, offset_unit, explain, kinds, max_mentions }
    }
}
