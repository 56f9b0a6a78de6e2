//! The one kind of HTTP that the local cloud speaks: HTTP/1.1 on loopback, with streamed bodies.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) type Body = UnsyncBoxBody<Bytes, anyhow::Error>;

/// A body that is all there.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that is passed on as it comes.
pub(crate) fn streamed(incoming: Incoming) -> Body {
    incoming.map_err(anyhow::Error::from).boxed_unsync()
}

/// Reads a body to its end.
pub(crate) async fn read<B>(body: B) -> Result<Bytes>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<anyhow::Error>,
{
    let all = body.collect().await.map_err(Into::into)?;
    Ok(all.to_bytes())
}

/// A response whose body breaks off in the middle, with the connection.
pub(crate) async fn cut(response: Response<Body>) -> Result<Response<Body>> {
    let (parts, body) = response.into_parts();
    let mut half = read(body).await?;
    half.truncate(half.len() / 2);
    let end = stream::iter([Ok(Frame::data(half)), Err(anyhow!("cut on request"))]);
    Ok(Response::from_parts(parts, StreamBody::new(end).boxed_unsync()))
}

/// A response of one status and body, of type JSON.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Ok(id) = header::HeaderValue::try_from(uuid::Uuid::new_v4().to_string()) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

/// An error in the form that an AWS service with a JSON interface answers.
#[derive(Debug)]
pub(crate) struct ServiceError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl ServiceError {
    /// The caller's mistake.
    pub(crate) fn client(code: &'static str, message: impl Into<String>) -> Self {
        let status = if code == "ResourceNotFoundException" {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::BAD_REQUEST
        };
        Self { status, code, message: message.into() }
    }

    /// The local cloud's own failure.
    pub(crate) fn internal(error: &anyhow::Error) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "ServiceException",
            message: format!("local cloud: {error:#}"),
        }
    }

    /// The response that AWS's SDKs read as this error.
    pub(crate) fn response(&self) -> Response<Body> {
        let body = serde_json::json!({ "__type": self.code, "message": self.message });
        let mut response = json(self.status, &body);
        let code = header::HeaderValue::from_static(self.code);
        response.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), code);
        response
    }
}

/// Serves connections until the returned future is dropped. A handler's error cuts its connection.
pub(crate) async fn serve<H, F>(listener: TcpListener, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Body>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let handler = handler.clone();
                connections.spawn(async move {
                    let _ = stream.set_nodelay(true);
                    let service = service_fn(handler);
                    let io = TokioIo::new(stream);
                    // A connection that ends early is its client's business.
                    let _ = http1::Builder::new().serve_connection(io, service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A server on loopback that requests are sent to, whatever their `Host` header says.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    client: Client<HttpConnector, Body>,
    address: SocketAddr,
}

impl Upstream {
    pub(crate) fn new(address: SocketAddr) -> Self {
        // moto closes its connections; a fresh one each time costs nothing on loopback and never
        // meets a closed one.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { client, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request; its path, query, headers and body go out as they are.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>> {
        let path =
            request.uri().path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
        *request.uri_mut() = Uri::builder()
            .scheme("http")
            .authority(self.address.to_string())
            .path_and_query(path)
            .build()?;
        *request.version_mut() = Version::HTTP_11;
        drop_hop_headers(request.headers_mut());
        let sent = self.client.request(request).await;
        sent.with_context(|| format!("no answer from {}", self.address))
    }

    /// Passes a request on and its response back, both streamed.
    pub(crate) async fn forward(&self, request: Request<Body>) -> Result<Response<Body>> {
        let mut response = self.send(request).await?.map(streamed);
        drop_hop_headers(response.headers_mut());
        *response.version_mut() = Version::HTTP_11;
        Ok(response)
    }
}

/// Removes what concerns one connection only.
fn drop_hop_headers(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::EXPECT, header::UPGRADE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    if headers.contains_key(header::CONTENT_LENGTH) {
        headers.remove(header::TRANSFER_ENCODING);
    }
}
