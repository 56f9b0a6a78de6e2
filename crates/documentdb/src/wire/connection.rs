//! One connection: requests in, replies out, until the client closes or a fault wants it.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use bson::{RawDocumentBuf, cstr, rawdoc};
use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::Backend;
use super::common::{self, Identity};
use super::message::{self, Request};
use super::reply::{Failure, Reply};
use crate::faults::{AtGetMore, AtReply, Faults};
use crate::login::{Login, Users};

/// What all connections of a server share.
pub(crate) struct Service<B> {
    pub(crate) backend: B,
    pub(crate) identity: Identity,
    pub(crate) users: Users,
    pub(crate) faults: Faults,
}

/// Serves a connection until it ends.
pub(crate) async fn serve<B: Backend>(
    service: Arc<Service<B>>,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<()> {
    let _open = service.faults.connected();
    let (mut session, mut login) = (service.backend.session(), Login::default());
    while let Some(request) = message::read(&mut stream).await? {
        if is_get_more(&request) {
            match service.faults.at_get_more() {
                AtGetMore::Drop => return Ok(()),
                AtGetMore::Forget => service.backend.forget(request.body.get_i64(&request.name)?),
                AtGetMore::Nothing => {}
            }
        }
        if let Some(again) = service.faults.lost_at(&request.name) {
            lose(&service.backend, &mut session, &request, again).await?;
        }
        let fault = service.faults.at_reply(&request.name);
        let mut reply = match fault {
            Some(AtReply::Skip) => Reply::ok(),
            _ => answer(&service, &mut session, &mut login, &request).await,
        };
        match fault {
            Some(AtReply::Lose) => return Ok(()),
            Some(AtReply::Doubt(code)) => reply = doubted(&reply, code)?,
            Some(AtReply::Skip) | None => {}
        }
        let delay = service.faults.delayed();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if !request.silent {
            message::write(&mut stream, &request, &reply).await?;
        }
    }
    Ok(())
}

/// The reply, which says besides that a majority may not have what was done.
fn doubted(reply: &Reply, code: i32) -> Result<Reply> {
    let mut reply = RawDocumentBuf::from_bytes(reply.parts().concat())?;
    let error = rawdoc! { "code": code, "errmsg": "waiting for replication was not possible" };
    reply.append(cstr!("writeConcernError"), error);
    Ok(reply.into())
}

fn is_get_more(request: &Request) -> bool {
    request.name == "getMore"
}

/// Drops the collection of a request, and makes another one if it is to be there `again`.
async fn lose<B: Backend>(
    backend: &B,
    session: &mut B::Session,
    request: &Request,
    again: bool,
) -> Result<()> {
    let name = request.subject().or_else(|| request.body.get_str("collection").ok());
    let name = name.context("a command without a collection")?;
    let made = again.then(|| rawdoc! { "create": name });
    for command in [Some(rawdoc! { "drop": name }), made].into_iter().flatten() {
        let command = Request::of(&request.database, command)?;
        let done = backend.run(session, &command).await;
        done.map_err(|failure| anyhow!("{name} cannot be lost: {failure:?}"))?;
    }
    Ok(())
}

async fn answer<B: Backend>(
    service: &Service<B>,
    session: &mut B::Session,
    login: &mut Login,
    request: &Request,
) -> Reply {
    if service.faults.forbids(&request.name) {
        let message = format!("not authorized to execute command {}", request.name);
        return Failure::new(13, "Unauthorized", message).into();
    }
    let user = login.user.clone();
    let answer = service.users.answer(login, request);
    let common = || common::answer(&service.identity, user.as_deref(), request);
    if let Some(answer) = answer.or_else(common) {
        return answer.unwrap_or_else(Failure::into);
    }
    service.backend.run(session, request).await.unwrap_or_else(Failure::into)
}
