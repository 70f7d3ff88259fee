//! What the services answer.

use cointag::grpc::pb::catalog_service_client::CatalogServiceClient;
use cointag::grpc::pb::quote_service_client::QuoteServiceClient;
use cointag::grpc::pb::server_service_client::ServerServiceClient;
use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use tonic::Code;

use super::*;

#[tokio::test]
async fn the_article_mentions_bitcoin_alone_and_prices_it() {
    let server = TestServer::start().await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let answer = client.tag(article()).await.unwrap().into_inner();

    assert_eq!(answer.id.as_deref(), Some("a-1"));
    let ids: Vec<_> = answer.mentions.iter().map(|mention| mention.token_id.as_deref()).collect();
    assert_eq!(ids, [Some("bitcoin")]);
    let mention = &answer.mentions[0];
    assert!(mention.in_title && mention.count == 3 && !mention.spans[0].evidence.is_empty());
    let quote = mention.quote.as_ref().unwrap();
    assert_eq!(quote.state(), pb::QuoteState::Fresh);
    assert_eq!(quote.price.as_deref(), Some("74603.12"));
    assert_eq!(quote.change_24h_pct, Some(-1.8));
    assert_eq!(quote.age_s, Some(12.0));
    assert_eq!(quote.source.as_deref(), Some("file"));
    assert!(quote.as_of.is_some() && quote.reason.is_none());
}

#[tokio::test]
async fn an_empty_document_has_no_mentions() {
    let server = TestServer::start().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    assert_eq!(client.tag(title("")).await.unwrap().into_inner().mentions, []);
}

#[tokio::test]
async fn a_missing_document_is_named() {
    let server = TestServer::start().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let status = client.tag(pb::TagRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "document: `document` is missing"));
}

#[tokio::test]
async fn a_document_over_the_limit_names_the_option() {
    let server = TestServer::start_with(|config| config.limits.document_bytes_max = 1000).await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    client.tag(title(&"x".repeat(1000))).await.unwrap();
    let status = client.tag(title(&"x".repeat(1001))).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        status.message(),
        "document: the document has 1001 bytes, more than the 1000 that this server accepts \
         (option `document_bytes_max` in [limits])"
    );
}

/// An option whose part is not built is an error, never a silent other thing.
#[tokio::test]
async fn options_out_of_range_or_not_built_are_refused() {
    let server = TestServer::start().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let options = pb::TagOptions::default;
    for (options, code, field) in [
        (
            pb::TagOptions { min_confidence: Some(1.5), ..options() },
            Code::InvalidArgument,
            "options.min_confidence",
        ),
        (
            pb::TagOptions { min_confidence: Some(f64::NAN), ..options() },
            Code::InvalidArgument,
            "options.min_confidence",
        ),
        (
            pb::TagOptions { max_quote_age_s: Some(-1.0), ..options() },
            Code::InvalidArgument,
            "options.max_quote_age_s",
        ),
        (pb::TagOptions { kinds: vec![0], ..options() }, Code::InvalidArgument, "options.kinds"),
        (pb::TagOptions { ambiguity: 99, ..options() }, Code::InvalidArgument, "options.ambiguity"),
        (
            pb::TagOptions { currency: Some("XXX".to_owned()), ..options() },
            Code::InvalidArgument,
            "options.currency",
        ),
    ] {
        let request = pb::TagRequest { options: Some(options), ..title("Bitcoin") };
        let status = client.tag(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().starts_with(&format!("{field}: ")), "{status:?}");
    }
}

#[tokio::test]
async fn quotes_none_attaches_no_price() {
    let server = TestServer::start().await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let options = pb::TagOptions { quotes: pb::QuoteMode::None.into(), ..pb::TagOptions::default() };
    let request = pb::TagRequest { options: Some(options), ..title("Bitcoin") };
    assert_eq!(client.tag(request).await.unwrap().into_inner().mentions[0].quote, None);
}

#[tokio::test]
async fn a_price_older_than_the_caller_allows_is_withheld() {
    let server = TestServer::start().await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let options = pb::TagOptions { max_quote_age_s: Some(60.0), ..pb::TagOptions::default() };
    let request = pb::TagRequest { options: Some(options), ..title("Bitcoin and Ethereum") };
    let mentions = client.tag(request).await.unwrap().into_inner().mentions;
    let quote = |place: usize| mentions[place].quote.as_ref().unwrap();
    assert_eq!(quote(0).price.as_deref(), Some("74603.12"));
    assert_eq!((quote(1).state(), quote(1).price.as_deref()), (pb::QuoteState::Expired, None));
    assert!(quote(1).reason.is_some() && quote(1).as_of.is_some());
}

#[tokio::test]
async fn a_request_never_waits_for_a_market_unless_asked_to() {
    let (server, _silent) = TestServer::start_with_silent_market(|_| {}).await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    // The market never answers, so this would hang if it waited at all.
    let answer = within(client.tag(title("Bitcoin"))).await.unwrap().into_inner();
    let quote = answer.mentions[0].quote.as_ref().unwrap();
    assert_eq!(quote.state(), pb::QuoteState::Pending);
    assert!(quote.reason.is_some() && quote.price.is_none());
}

#[tokio::test]
async fn the_server_caps_the_wait() {
    let cap = Duration::from_millis(20);
    let (server, _silent) =
        TestServer::start_with_silent_market(|config| config.limits.quote_wait_max = cap).await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let options = pb::TagOptions { quote_wait_ms: u32::MAX, ..pb::TagOptions::default() };
    let request = pb::TagRequest { options: Some(options), ..title("Bitcoin") };
    let answer = within(client.tag(request)).await.unwrap().into_inner();
    assert_eq!(answer.mentions[0].quote.as_ref().unwrap().state(), pb::QuoteState::Pending);
}

#[tokio::test]
async fn a_deadline_past_is_deadline_exceeded() {
    let (server, _silent) =
        TestServer::start_with_silent_market(|config| config.limits.quote_wait_max = PATIENCE).await;
    let options = pb::TagOptions { quote_wait_ms: u32::MAX, ..pb::TagOptions::default() };
    let request = pb::TagRequest { options: Some(options), ..title("Bitcoin") };
    let code = code_at_deadline(&server, "cointag.v1.TaggerService/Tag", &request, "50m").await;
    assert_eq!(code, "4");
}

#[tokio::test]
async fn one_unknown_token_does_not_fail_the_others() {
    let server = TestServer::start().await.ready().await;
    let mut client = QuoteServiceClient::new(server.channel().await);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let request = pb::GetQuotesRequest {
        token_ids: words(&["bitcoin", "etherium"]),
        symbols: words(&["$eth", "TWINS"]),
        ..pb::GetQuotesRequest::default()
    };
    let items = client.get_quotes(request).await.unwrap().into_inner().quotes;
    let asked: Vec<_> = items.iter().map(|item| item.asked.as_str()).collect();
    assert_eq!(asked, ["bitcoin", "etherium", "$eth", "TWINS"]);
    let priced = |place: usize| match &items[place].result {
        Some(pb::quote_item::Result::Priced(priced)) => priced,
        other => panic!("{other:?}"),
    };
    let error = |place: usize| match &items[place].result {
        Some(pb::quote_item::Result::Error(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(priced(0).quote.as_ref().unwrap().price.as_deref(), Some("74603.12"));
    assert_eq!(priced(2).token_id, "ethereum");
    // The file gives ethereum no change: unknown, not 0.
    assert_eq!(priced(2).quote.as_ref().unwrap().change_24h_pct, None);
    assert_eq!((error(1).code.as_str(), error(1).field.as_str()), ("not_found", "token_ids[1]"));
    assert_eq!(error(1).candidates[0].token_id, "ethereum");
    assert_eq!((error(3).code.as_str(), error(3).field.as_str()), ("ambiguous", "symbols[1]"));
    let candidates: Vec<_> = error(3).candidates.iter().map(|token| token.token_id.as_str()).collect();
    assert_eq!(candidates, ["twin-one", "twin-two"]);
}

#[tokio::test]
async fn quotes_that_cannot_be_asked_for_are_refused() {
    let server = TestServer::start_with(|config| config.limits.quote_tokens_max = 2).await;
    let mut client = QuoteServiceClient::new(server.channel().await);
    let bitcoin = |count: usize| pb::GetQuotesRequest {
        token_ids: vec!["bitcoin".to_owned(); count],
        ..pb::GetQuotesRequest::default()
    };
    client.get_quotes(bitcoin(2)).await.unwrap();
    let status = client.get_quotes(bitcoin(3)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("`quote_tokens_max`"), "{status:?}");
    assert_eq!(client.get_quotes(bitcoin(0)).await.unwrap_err().code(), Code::InvalidArgument);
    let later = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 };
    let future = pb::GetQuotesRequest { at: Some(later), ..bitcoin(1) };
    assert_eq!(client.get_quotes(future).await.unwrap_err().code(), Code::InvalidArgument);
    let past = pb::GetQuotesRequest { at: Some(prost_types::Timestamp::default()), ..bitcoin(1) };
    let answer = client.get_quotes(past).await.unwrap().into_inner();
    let Some(pb::quote_item::Result::Priced(priced)) = &answer.quotes[0].result else { panic!("{answer:?}") };
    let quote = priced.quote.as_ref().unwrap();
    assert_eq!((quote.state(), &quote.price), (pb::QuoteState::Unavailable, &None), "no source of the past");
    assert!(quote.reason.is_some() && quote.asked_at.is_some());
}

#[tokio::test]
async fn a_watch_tells_everything_then_signs_of_life_and_ends_with_the_server() {
    let server = TestServer::start().await.ready().await;
    let mut client = QuoteServiceClient::new(server.channel().await);
    let request = pb::WatchQuotesRequest {
        token_ids: vec!["bitcoin".to_owned()],
        symbols: vec!["NOSUCHCOIN".to_owned()],
        heartbeat_ms: 100,
        ..pb::WatchQuotesRequest::default()
    };
    let mut answers = client.watch_quotes(request).await.unwrap().into_inner();
    let first = within(answers.message()).await.unwrap().unwrap();
    assert_eq!(
        first.quotes.iter().map(|item| item.asked.as_str()).collect::<Vec<_>>(),
        ["bitcoin", "NOSUCHCOIN"]
    );
    let second = within(answers.message()).await.unwrap().unwrap();
    assert_eq!(second.quotes, [], "nothing has changed");
    let stopping = tokio::spawn(server.server.shutdown(Duration::ZERO));
    let end = within(async {
        loop {
            if let Err(status) = answers.message().await {
                return status;
            }
        }
    });
    assert_eq!(end.await.code(), Code::Unavailable);
    within(stopping).await.unwrap();
    let none = pb::WatchQuotesRequest::default();
    assert!(client.watch_quotes(none).await.is_err());
}

#[tokio::test]
async fn tokens_are_found_by_id_and_symbol() {
    let server = TestServer::start().await;
    let mut client = CatalogServiceClient::new(server.channel().await);
    use pb::get_token_request::Token;
    let ask = |token| pb::GetTokenRequest { token };
    let answer = client.get_token(ask(Some(Token::Symbol("btc".to_owned())))).await.unwrap().into_inner();
    assert_eq!(answer.token.unwrap().token_id, "bitcoin");
    let status = client.get_token(ask(Some(Token::TokenId("etherium".to_owned())))).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("did you mean ethereum (ETH)"), "{status:?}");
    let status = client.get_token(ask(Some(Token::Symbol("TWINS".to_owned())))).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("twin-one (Twin One), twin-two (Twin Two)"), "{status:?}");
    assert_eq!(client.get_token(ask(None)).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn pages_hold_every_token_once() {
    let server = TestServer::start().await;
    let mut client = CatalogServiceClient::new(server.channel().await);
    let mut ids = Vec::new();
    let mut request = pb::ListTokensRequest { page_size: 700, ..pb::ListTokensRequest::default() };
    loop {
        let page = client.list_tokens(request.clone()).await.unwrap().into_inner();
        assert_eq!(page.total_count as usize, DETECTOR.catalog().assets().len());
        ids.extend(page.tokens.into_iter().map(|token| token.token_id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let all: Vec<_> = DETECTOR.catalog().assets().iter().map(|asset| asset.id.clone()).collect();
    assert_eq!(ids, all);
}

#[tokio::test]
async fn lists_are_filtered_and_old_page_tokens_refused() {
    let server = TestServer::start().await;
    let mut client = CatalogServiceClient::new(server.channel().await);
    let request = pb::ListTokensRequest {
        query: "USD".to_owned(),
        categories: vec![pb::Category::Stablecoin.into()],
        rank_max: Some(20),
        ..pb::ListTokensRequest::default()
    };
    let page = client.list_tokens(request).await.unwrap().into_inner();
    assert!(page.tokens.iter().any(|token| token.symbol == "USDT"), "{page:?}");
    assert!(
        page.tokens.iter().all(|token| token.category() == pb::Category::Stablecoin && token.rank() <= 20)
    );
    for (page_size, page_token) in [(1001, ""), (1, "2020-01-01-aaaaaaaaaaaa.5"), (1, "5")] {
        let page_token = page_token.to_owned();
        let request = pb::ListTokensRequest { page_size, page_token, ..pb::ListTokensRequest::default() };
        assert_eq!(client.list_tokens(request).await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn the_server_tells_versions_limits_and_sources() {
    let server = TestServer::start().await.ready().await;
    let mut client = ServerServiceClient::new(server.channel().await);
    let info = client.get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(info.catalog_version, DETECTOR.catalog().version());
    assert_eq!(info.limits.unwrap().quote_wait_max_ms, 3000);
    let sources: Vec<_> =
        info.sources.iter().map(|source| (source.name.as_str(), source.state.as_str())).collect();
    assert_eq!(sources, [("file", "ok")]);
    assert!(!info.sources[0].credit.is_empty());
}

/// The services as each version of the reflection protocol lists them.
#[tokio::test]
async fn both_versions_of_reflection_list_every_service() {
    const EXPECTED: [&str; 5] = [
        "cointag.v1.CatalogService",
        "cointag.v1.QuoteService",
        "cointag.v1.ServerService",
        "cointag.v1.TaggerService",
        "grpc.health.v1.Health",
    ];
    macro_rules! list {
        ($version:ident, $channel:expr) => {{
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
            use tonic_reflection::pb::$version::{ListServiceResponse, ServerReflectionRequest};
            let message_request = Some(MessageRequest::ListServices(String::new()));
            let request = ServerReflectionRequest { host: String::new(), message_request };
            let mut client = ServerReflectionClient::new($channel);
            let mut answers =
                client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
            match answers.message().await.unwrap().unwrap().message_response {
                Some(MessageResponse::ListServicesResponse(ListServiceResponse { service })) => {
                    service.into_iter().map(|service| service.name).collect::<Vec<_>>()
                }
                other => panic!("{other:?}"),
            }
        }};
    }
    let server = TestServer::start().await;
    for mut names in [list!(v1, server.channel().await), list!(v1alpha, server.channel().await)] {
        names.retain(|name| !name.starts_with("grpc.reflection."));
        names.sort();
        assert_eq!(names, EXPECTED);
    }
}
