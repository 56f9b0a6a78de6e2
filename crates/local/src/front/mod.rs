//! The front door: the one endpoint that the CDK, the functions, the dumper and people talk to.

mod dynamodb;
pub(crate) mod faults;
mod rds;
mod s3;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use anyhow::{Result, bail};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::batch::Batch;
use crate::events::Events;
use crate::events::trail::RECORDED;
use crate::http::{self, Body, ServiceError, Upstream, full, read, streamed};
use crate::lambda::{Answer, Lambda};
use crate::rds::Rds;
use crate::say::progress;
use faults::{Fault, Faults};

const FUNCTIONS: &str = "/2015-03-31/functions/";
const INVOCATIONS: &str = "/invocations";
/// How DynamoDB's targets begin, whatever its version.
const DYNAMODB: &str = "DynamoDB_";
/// How those of Resource Groups' tagging begin.
const TAGGING: &str = "ResourceGroupsTaggingAPI_";
/// Paths of our own, for people and scripts; no AWS service has such a path.
const ADMIN: &str = "/_autodump/";

/// Everything that the front door passes requests to.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) moto: Upstream,
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) batch: Arc<Batch>,
    pub(crate) events: Arc<Events>,
    pub(crate) rds: Rds,
    pub(crate) faults: Faults,
}

/// A port on loopback, of IPv4 and where there is one of IPv6 too, because `localhost` may mean
/// either.
pub(crate) struct Door {
    listeners: Vec<TcpListener>,
    pub(crate) port: u16,
}

impl Door {
    /// Takes the given port, or any free one.
    pub(crate) async fn open(port: Option<u16>) -> Result<Self> {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await?;
        let port = first.local_addr()?.port();
        let mut listeners = vec![first];
        if let Ok(second) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            listeners.push(second);
        }
        Ok(Self { listeners, port })
    }

    /// Serves requests until the returned set is dropped.
    pub(crate) fn serve(self, front: &Arc<Front>) -> JoinSet<()> {
        let mut servers = JoinSet::new();
        for listener in self.listeners {
            let front = Arc::clone(front);
            servers.spawn(http::serve(listener, move |request| Arc::clone(&front).handle(request)));
        }
        servers
    }
}

impl Front {
    /// Answers one request. An error cuts the connection.
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>> {
        let path = request.uri().path().to_owned();
        if let Some(what) = path.strip_prefix(ADMIN) {
            return Ok(self.admin(what).await);
        }
        if let Some(function) = invoked_function(request.method(), &path) {
            return self.invoke(&function, request).await;
        }
        if Batch::serves(request.method(), &path) {
            let input = serde_json::from_slice(&read(request.into_body()).await?)?;
            return Ok(self.batch.answer(&path, &input).await);
        }
        let operation = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
        match operation.and_then(|operation| operation.split_once('.')) {
            Some(("secretsmanager", name)) if RECORDED.contains(&name) => {
                let name = name.to_owned();
                self.change_secret(&name, request).await
            }
            Some(("AWSStepFunctions", "StopExecution")) => self.stop_execution(request).await,
            Some(("AWSStepFunctions", "StartExecution")) => {
                self.unless_denied("StartExecution", request).await
            }
            Some(("secretsmanager", "DescribeSecret")) => {
                self.unless_denied("DescribeSecret", request).await
            }
            Some((service, "GetResources")) if service.starts_with(TAGGING) => {
                self.tagged_resources(request).await
            }
            Some((service, name)) if service.starts_with(DYNAMODB) => {
                let name = name.to_owned();
                let (parts, body) = request.into_parts();
                self.dynamodb(&name, parts, read(body).await?).await
            }
            Some(_) => self.moto.forward(request.map(streamed)).await,
            None => self.pass_on(request).await,
        }
    }

    /// Passes a request on to moto, unless it is one of S3 that is to fail.
    async fn pass_on(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        match s3::service_of(&parts).as_deref() {
            Some("rds") => self.rds(&parts, read(body).await?).await,
            Some("s3") => {
                let asked = s3::classify(&parts);
                let fault = self.faults.decide(&asked);
                let request = Request::from_parts(parts, streamed(body));
                let response = self.faulty(fault, request, Fault::response).await?;
                if response.status().is_success() {
                    self.tell_of_object(asked);
                }
                Ok(response)
            }
            _ => self.moto.forward(Request::from_parts(parts, streamed(body))).await,
        }
    }

    /// Publishes that there is an object, if the request made one and a rule may want to know.
    fn tell_of_object(&self, made: s3::S3Request) {
        if !s3::MAKES_OBJECTS.contains(&made.operation) || !self.events.wants("aws.s3") {
            return;
        }
        let events = Arc::clone(&self.events);
        tokio::spawn(async move {
            let s3::S3Request { operation, bucket, key } = made;
            if let Err(error) = events.object_created(&bucket, &key, operation).await {
                progress(&format!("events: s3://{bucket}/{key} could not be told of: {error:#}"));
            }
        });
    }

    /// Passes a request on as a rule wants it, or as it is. `refuse` knows the service's words.
    async fn faulty(
        &self,
        fault: Option<(u64, Fault)>,
        request: Request<Body>,
        refuse: fn(Fault) -> Option<Response<Body>>,
    ) -> Result<Response<Body>> {
        match fault {
            None => {}
            Some((_, Fault::Cut)) => bail!("cut on request"),
            Some((_, Fault::Delay(pause))) => tokio::time::sleep(pause).await,
            Some((rule, Fault::Hold)) => self.faults.gone(rule).await,
            Some((_, Fault::LoseAnswer)) => {
                read(self.moto.forward(request).await?.into_body()).await?;
                bail!("the answer is lost on request");
            }
            Some((_, Fault::CutAnswer)) => {
                return http::cut(self.moto.forward(request).await?).await;
            }
            Some((_, fault)) => {
                // A service reads a body before it answers; a client that is still sending would
                // miss the answer.
                read(request.into_body()).await?;
                return refuse(fault).ok_or_else(|| anyhow::anyhow!("{fault:?} has no response"));
            }
        }
        self.moto.forward(request).await
    }

    /// Passes a JSON request on, unless a rule with its operation and a text of its body says
    /// that it is denied.
    async fn unless_denied(
        &self,
        operation: &'static str,
        request: Request<Incoming>,
    ) -> Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = read(body).await?;
        let key = String::from_utf8_lossy(&body).into_owned();
        let seen = s3::S3Request { operation, bucket: String::new(), key };
        if self.faults.decide(&seen).is_some() {
            let error = ServiceError::client("AccessDeniedException", "denied on request");
            return Ok(error.response());
        }
        self.moto.forward(Request::from_parts(parts, full(body))).await
    }

    async fn invoke(&self, function: &str, request: Request<Incoming>) -> Result<Response<Body>> {
        let kind = request.headers().get("x-amz-invocation-type").cloned();
        let kind = kind
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .unwrap_or("RequestResponse")
            .to_owned();
        let payload = read(request.into_body()).await?;
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        if kind == "Event" {
            self.lambda.invoke_later(function, payload);
            return Ok(empty(StatusCode::ACCEPTED));
        }
        if kind == "DryRun" {
            return Ok(empty(StatusCode::NO_CONTENT));
        }
        Ok(match self.lambda.invoke(function, payload).await {
            Ok(answer) => invocation_response(answer),
            Err(error) => {
                progress(&format!("lambda: {function} could not be invoked: {error:#}"));
                ServiceError::client("ResourceNotFoundException", format!("{error:#}")).response()
            }
        })
    }

    /// Passes on a call that changes a secret, and publishes the events that AWS would.
    async fn change_secret(
        &self,
        operation: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Body>> {
        let (response, input, output) = self.buffered(request).await?;
        if response.status().is_success() {
            let (events, operation) = (Arc::clone(&self.events), operation.to_owned());
            tokio::spawn(async move {
                if let Err(error) = events.secret_changed(&operation, &input, &output).await {
                    progress(&format!("events: {operation} could not be published: {error:#}"));
                }
            });
        }
        Ok(response)
    }

    /// Passes a stop on, and ends the Batch job that the execution waits for, as Step Functions
    /// does.
    async fn stop_execution(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        let (response, input, _) = self.buffered(request).await?;
        if let (true, Some(execution)) =
            (response.status().is_success(), input["executionArn"].as_str())
        {
            let history = Api::over(self.moto.clone()).execution_history(execution).await?;
            let submitted = history.iter().filter(|event| event.kind == "TaskSubmitted");
            for event in submitted {
                let output =
                    event.event["taskSubmittedEventDetails"]["output"].as_str().unwrap_or_default();
                let output: Value = serde_json::from_str(output).unwrap_or_default();
                if let Some(job) = output["JobId"].as_str() {
                    self.batch.terminate_job(
                        job,
                        "Job terminated: the Step Functions execution was stopped",
                    );
                }
            }
        }
        Ok(response)
    }

    /// Passes a JSON request on and gives back the response with input and output.
    async fn buffered(&self, request: Request<Incoming>) -> Result<(Response<Body>, Value, Value)> {
        let (parts, body) = request.into_parts();
        let input = read(body).await?;
        let parsed = serde_json::from_slice(&input).unwrap_or_default();
        let response = self.moto.forward(Request::from_parts(parts, full(input))).await?;
        let (parts, body) = response.into_parts();
        let output = read(body).await?;
        let answered = serde_json::from_slice(&output).unwrap_or_default();
        Ok((Response::from_parts(parts, full(output)), parsed, answered))
    }

    async fn admin(&self, what: &str) -> Response<Body> {
        if let Some(execution) = what.strip_prefix("ended/") {
            let execution = percent_decode_str(execution).decode_utf8_lossy();
            return match self.events.execution_ended(&execution).await {
                Ok(status) => http::json(StatusCode::OK, &json!({"status": status})),
                Err(error) => ServiceError::internal(&error).response(),
            };
        }
        let answer = match what {
            "fire" => self.events.fire_schedules().await.map(|answers| json!({"answers": answers})),
            "jobs" => {
                let described = self.batch.answer("/v1/listjobs", &json!({})).await;
                read(described.into_body())
                    .await
                    .and_then(|body| Ok(serde_json::from_slice(&body)?))
            }
            _ => Err(anyhow::anyhow!("unknown: {ADMIN}{what}; there are fire and jobs")),
        };
        match answer {
            Ok(value) => http::json(StatusCode::OK, &value),
            Err(error) => ServiceError::internal(&error).response(),
        }
    }
}

fn invoked_function(method: &Method, path: &str) -> Option<String> {
    let name = path.strip_prefix(FUNCTIONS)?.strip_suffix(INVOCATIONS)?;
    (method == Method::POST).then(|| percent_decode_str(name).decode_utf8_lossy().into_owned())
}

fn invocation_response(answer: Answer) -> Response<Body> {
    let (body, failed) = match answer {
        Answer::Success(body) => (body, false),
        Answer::Failure(body) => (body, true),
    };
    let mut response = Response::new(full(body));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("x-amz-executed-version", HeaderValue::from_static("$LATEST"));
    if failed {
        headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    }
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}
