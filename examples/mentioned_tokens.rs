//! Prints the "Mentioned tokens" box of one article.
//!
//!     cargo run --example mentioned_tokens -- http://127.0.0.1:50051 'Bitcoin slips as $ETH holds'

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use cointag::grpc::pb;
use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let server = args.next().unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let title = args.next().unwrap_or_else(|| "Bitcoin slips as $ETH holds".to_owned());

    let mut client = TaggerServiceClient::connect(server).await?;
    let document = pb::Document { title, ..pb::Document::default() };
    // A page that can wait a little gets a price for tokens that nobody asked about before.
    let options = pb::TagOptions { quote_wait_ms: 1000, ..pb::TagOptions::default() };
    let request = pb::TagRequest { document: Some(document), options: Some(options) };
    let answer = client.tag(request).await?.into_inner();

    println!("Mentioned tokens");
    for mention in &answer.mentions {
        println!("  {}", line(mention));
    }
    Ok(())
}

/// `$BTC  $74603.12  -1.8%`, or why there is no price.
fn line(mention: &pb::Mention) -> String {
    let name = mention.symbol.as_ref().map_or_else(|| mention.name.clone(), |symbol| format!("${symbol}"));
    let Some(quote) = &mention.quote else { return name };
    match &quote.price {
        // A missing change is unknown, not zero.
        Some(price) => match quote.change_24h_pct {
            Some(change) => format!("{name}  ${price}  {change:+.1}%"),
            None => format!("{name}  ${price}"),
        },
        None => format!("{name}  ({})", quote.reason.as_deref().unwrap_or("no price")),
    }
}
