//! What the sink keeps, and what it only counts.

use super::super::server::Server;
use super::super::services::Services;
use super::*;
use crate::http::{self, Upstream};

#[test]
fn a_checksum_is_found_before_and_after_the_body() {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-trailer", HeaderValue::from_static("x-amz-checksum-crc32"));
    let body = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n";
    let (name, value) = checksum(&headers, body).unwrap();
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-amz-checksum-crc32", "NSRBwg=="));
    assert!(checksum(&headers, b"x-amz-checksum-crc32c:AAAA").is_none());

    headers.clear();
    headers.insert("x-amz-checksum-crc64nvme", HeaderValue::from_static("AAAAAAAAAAA="));
    assert_eq!(checksum(&headers, b"").unwrap().1.to_str().unwrap(), "AAAAAAAAAAA=");
    headers.clear();
    assert!(checksum(&headers, body).is_none());
}

async fn send(
    server: &Server,
    request: hyper::http::request::Builder,
    body: &str,
) -> (u16, String) {
    let endpoint = server.environment().into_iter().find(|(name, _)| *name == "AWS_ENDPOINT_URL");
    let address = endpoint.unwrap().1.trim_start_matches("http://").parse().unwrap();
    let request = request.header("host", "bench").body(full(body.to_owned())).unwrap();
    let answer = Upstream::new(address).send(request).await.unwrap();
    let status = answer.status().as_u16();
    let text = http::read(answer.into_body()).await.unwrap();
    (status, String::from_utf8(text.to_vec()).unwrap())
}

#[tokio::test]
async fn state_is_kept_and_put_once_and_data_are_counted() {
    let server = Server::start(Services::with_secrets(0)).await.unwrap();
    let put = |uri| Request::put(uri).header("if-none-match", "*");
    assert_eq!(send(&server, put("/b/state/c.json"), "{}").await.0, 200);
    assert_eq!(send(&server, put("/b/state/c.json"), "[]").await.0, 412);
    assert_eq!(send(&server, put("/b/data/d.json"), "{}{}").await.0, 200);
    let get = |uri| Request::get(uri);
    assert_eq!(send(&server, get("/b/state/c.json"), "").await, (200, "{}".to_owned()));
    assert_eq!(send(&server, get("/b/state/none.json"), "").await.0, 404);
    // What is not kept cannot be read, and is not missing.
    assert_eq!(send(&server, get("/b/data/d.json"), "").await.0, 501);
    assert_eq!(server.sink().puts(), 2);

    server.sink().place("b/state/plan.json", "{1}".into());
    assert_eq!(send(&server, get("/b/state/plan.json"), "").await.1, "{1}");
    let delete = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <Object><Key>state/c.json</Key></Object><Object><Key>none</Key></Object></Delete>";
    assert_eq!(send(&server, Request::post("/b/?delete"), delete).await.0, 200);
    assert!(server.sink().content("b/state/c.json").is_none());
    let left: Vec<_> = server.sink().take_objects().into_iter().collect();
    let wanted = [("b/data/d.json".to_owned(), 4), ("b/state/plan.json".to_owned(), 3)];
    assert_eq!(left, wanted);
}
