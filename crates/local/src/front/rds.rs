//! RDS's requests and their faults, and its databases among tagged resources.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use serde_json::{Map, Value};

use super::Front;
use super::faults::Fault;
use super::s3::{self, S3Request};
use crate::events::trail;
use crate::http::{self, Body, read};
use crate::rds::{OPERATIONS, Place, Query, Refusal, TagChange};
use crate::{ACCOUNT, REGION};

impl Front {
    /// Answers a request, unless it is to fail.
    pub(super) async fn rds(&self, parts: &Parts, body: Bytes) -> Result<Response<Body>> {
        let query = Query::read(&body);
        let known = OPERATIONS.into_iter().find(|known| *known == query.action());
        let seen = S3Request {
            operation: known.unwrap_or("Other"),
            bucket: String::new(),
            key: String::from_utf8_lossy(&body).into_owned(),
        };
        let fault = self.faults.decide(&seen);
        match fault {
            Some((_, Fault::Cut)) => bail!("cut on request"),
            Some((_, Fault::Delay(pause))) => tokio::time::sleep(pause).await,
            Some((rule, Fault::Hold)) => self.faults.gone(rule).await,
            Some((_, fault)) => {
                if let Some(refusal) = refusal(fault) {
                    return Ok(refusal.response());
                }
            }
            None => {}
        }
        let place = self.place_of(parts).await?;
        let answered = self.rds.answer(&place, &query).await;
        if let Some(change) = &answered.tagged {
            self.tell_of_tags(&place, change);
        }
        let response = answered.response(query.action());
        match fault {
            Some((_, Fault::LoseAnswer)) => bail!("the answer is lost on request"),
            Some((_, Fault::CutAnswer)) => http::cut(response).await,
            _ => Ok(response),
        }
    }

    /// Passes `GetResources` on, and adds RDS's databases to what moto knows.
    pub(super) async fn tagged_resources(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let place = self.place_of(&parts).await?;
        let body = read(body).await?;
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let response = self.moto.forward(Request::from_parts(parts, http::full(body))).await?;
        if !response.status().is_success() {
            return Ok(response);
        }
        let mut page: Value = serde_json::from_slice(&read(response.into_body()).await?)?;
        self.rds.add_tagged(&place, &asked, &mut page);
        Ok(http::json(StatusCode::OK, &page))
    }

    /// In the name of which account, and in which region, a request is made.
    async fn place_of(&self, parts: &Parts) -> Result<Place> {
        let scope = s3::scope_of(parts).context("the request is not signed")?;
        let mut scope = scope.split('/');
        let (key, region) = (scope.next().unwrap_or_default(), scope.nth(1).unwrap_or(REGION));
        Ok(Place { account: self.rds.account_of(key).await?, region: region.to_owned() })
    }

    /// Publishes changed tags to the rules, which are of one account and region.
    fn tell_of_tags(&self, place: &Place, change: &TagChange) {
        if (place.account.as_str(), place.region.as_str()) != (ACCOUNT, REGION) {
            return;
        }
        let kind = change.arn.split(':').nth(5).unwrap_or_default();
        let tags: Map<String, Value> =
            change.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        self.events.publish(&trail::tag_change_of(["rds", kind], &change.arn, &change.keys, &tags));
    }
}

/// The answer of a fault that refuses.
fn refusal(fault: Fault) -> Option<Refusal> {
    match fault {
        Fault::SlowDown => Some(Refusal::new("Throttling", "Rate exceeded")),
        Fault::InternalError => Some(Refusal::internal()),
        Fault::AccessDenied => Some(Refusal::new("AccessDenied", "denied on request")),
        _ => None,
    }
}
