//! What differs between catalogs, over both faces: the built-in one, the one in force and the one before a reload.

use cointag::grpc::pb::catalog_service_client::CatalogServiceClient;
use serde_json::{Value, json};
use tonic::Code;

use super::http::get;
use super::*;

async fn diff(
    server: &TestServer,
    request: pb::DiffCatalogRequest,
) -> Result<pb::DiffCatalogResponse, tonic::Status> {
    let mut client = CatalogServiceClient::new(server.channel().await);
    within(client.diff_catalog(request)).await.map(tonic::Response::into_inner)
}

/// Each change as `id field: before -> after`.
fn told(answer: &pb::DiffCatalogResponse) -> Vec<String> {
    let text = |change: &pb::CatalogChange| {
        assert_eq!(change.subject(), pb::CatalogSubject::Asset);
        let [field, before, after] =
            [&change.field, &change.before, &change.after].map(|text| text.as_deref().unwrap_or("-"));
        format!("{} {field}: {before} -> {after}", change.id)
    };
    answer.changes.iter().map(text).collect()
}

#[tokio::test]
async fn an_overlay_is_told_change_by_change_and_page_by_page() {
    let server = TestServer::start().await;
    let whole = diff(&server, pb::DiffCatalogRequest::default()).await.unwrap();
    let added = [("twin-one", "TWINS, Twin One"), ("twin-two", "TWINS, Twin Two")];
    assert_eq!(told(&whole), added.map(|(id, called)| format!("{id} -: - -> {called}")));
    assert_eq!((whole.from_version.as_str(), whole.total_count), (Catalog::builtin().version(), 2));
    assert_eq!(whole.to_version, DETECTOR.catalog().version());
    let page = |token: &str| pb::DiffCatalogRequest {
        from_version: "builtin".to_owned(),
        page_size: 1,
        page_token: token.to_owned(),
        ..pb::DiffCatalogRequest::default()
    };
    let first = diff(&server, page("")).await.unwrap();
    let second = diff(&server, page(&first.next_page_token)).await.unwrap();
    assert_eq!([&first.changes[..], &second.changes[..]].concat(), whole.changes);
    assert_eq!((first.total_count, &*second.next_page_token), (2, ""));
    let backwards = pb::DiffCatalogRequest {
        from_version: whole.to_version.clone(),
        to_version: whole.from_version.clone(),
        page_token: first.next_page_token.clone(),
        ..pb::DiffCatalogRequest::default()
    };
    let refused = diff(&server, backwards.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let removed =
        diff(&server, pb::DiffCatalogRequest { page_token: String::new(), ..backwards }).await.unwrap();
    assert_eq!(told(&removed)[0], "twin-one -: TWINS, Twin One -> -");

    let path = format!("/v1/catalog-diff?from_version=builtin&to_version={}", whole.to_version);
    let (status, json) = get(&server, &path).await;
    let change = |id: &str, called: &str| json!({"subject": "asset", "id": id, "after": called});
    assert_eq!(status, 200, "{json}");
    assert_eq!(json["changes"], Value::from(added.map(|(id, called)| change(id, called)).to_vec()));
    assert_eq!((&json["from_version"], &json["total_count"]), (&whole.from_version.into(), &2.into()));
}

#[tokio::test]
async fn the_catalog_before_a_reload_is_known_and_another_one_is_not_found() {
    let mut server = TestServer::start().await;
    let before = DETECTOR.catalog().version();
    let overlay = r#"[[asset]]
id = "bitcoin"
aliases = [{ text = "orange coin", kind = "nickname", case = "any", class = "a" }]"#;
    let catalog = Catalog::builtin().with_overlay(overlay).unwrap();
    within(server.server.reload(Arc::new(Detector::new(Arc::new(catalog))))).await.unwrap();
    let request =
        pb::DiffCatalogRequest { from_version: before.to_owned(), ..pb::DiffCatalogRequest::default() };
    let answer = diff(&server, request).await.unwrap();
    let told = told(&answer);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("bitcoin aliases: - -> {") && told[0].contains("orange coin"), "{told:?}");
    assert_eq!(told[1], "twin-one -: TWINS, Twin One -> -");

    let unknown = pb::DiffCatalogRequest {
        to_version: "2020-01-01-abc".to_owned(),
        ..pb::DiffCatalogRequest::default()
    };
    let refused = diff(&server, unknown).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(refused.message().contains(before), "{}", refused.message());
    let (status, json) = get(&server, "/v1/catalog-diff?from_version=x").await;
    assert_eq!((status, &json["error"]["field"]), (404, &"from_version".into()));
    assert_eq!(get(&server, "/v1/catalog-diff?since=x").await.0, 400);
}
