//! Lambda: the functions of the deployed stack, run as processes.

mod function;
mod instance;
mod runtime_api;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use tokio::sync::Mutex;

pub(crate) use runtime_api::{Answer, Invocation, RuntimeApi};

use crate::api::Api;
use crate::process::Processes;
use crate::say::progress;
use function::Function;

/// An asynchronous invocation that fails is tried twice more, as on AWS, but after shorter waits.
const RETRY_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// What all functions share.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: String,
    pub(crate) asset_bucket: String,
    pub(crate) directory: PathBuf,
    pub(crate) logs: PathBuf,
    pub(crate) processes: Processes,
}

/// The functions that have been invoked so far.
#[derive(Debug)]
pub(crate) struct Lambda {
    moto: Api,
    settings: Settings,
    functions: Mutex<HashMap<String, Arc<Function>>>,
}

impl Lambda {
    pub(crate) fn new(moto: Api, settings: Settings) -> Self {
        Self { moto, settings, functions: Mutex::new(HashMap::new()) }
    }

    /// Invokes a function, given by name or ARN, and waits for its answer. An error is the local
    /// cloud's own: an unknown function, or code that cannot run here.
    pub(crate) async fn invoke(&self, function: &str, payload: Bytes) -> Result<Answer> {
        let loaded = self.function(&name_of(function)).await?;
        loaded.invoke(payload, &self.settings).await
    }

    /// Invokes a function and does not wait; failures are tried again and at last reported.
    pub(crate) fn invoke_later(self: &Arc<Self>, function: &str, payload: Bytes) {
        let (lambda, name) = (Arc::clone(self), name_of(function));
        tokio::spawn(async move {
            let mut waits = RETRY_WAITS.iter();
            loop {
                let failure = match lambda.invoke(&name, payload.clone()).await {
                    Ok(Answer::Success(_)) => return,
                    Ok(Answer::Failure(error)) => String::from_utf8_lossy(&error).into_owned(),
                    Err(error) => format!("{error:#}"),
                };
                let Some(wait) = waits.next() else {
                    progress(&format!(
                        "lambda: event for {name} given up after 3 tries: {failure}"
                    ));
                    return;
                };
                tokio::time::sleep(*wait).await;
            }
        });
    }

    async fn function(&self, name: &str) -> Result<Arc<Function>> {
        let mut functions = self.functions.lock().await;
        if let Some(known) = functions.get(name) {
            return Ok(Arc::clone(known));
        }
        let loaded = Arc::new(Function::load(&self.moto, name, &self.settings).await?);
        functions.insert(name.to_owned(), Arc::clone(&loaded));
        Ok(loaded)
    }
}

/// The name in what an Invoke may call a function: a name, `account:function:name`, or an ARN; each
/// with a qualifier or without.
fn name_of(function: &str) -> String {
    let name = match function.split_once("function:") {
        Some((_, rest)) => rest,
        None => function,
    };
    name.split(':').next().unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn every_form_of_a_function_name_is_understood() {
        let forms = [
            "scan",
            "scan:$LATEST",
            "123456789012:function:scan",
            "arn:aws:lambda:us-east-1:123456789012:function:scan",
            "arn:aws:lambda:us-east-1:123456789012:function:scan:7",
        ];
        for form in forms {
            assert_eq!(name_of(form), "scan", "{form}");
        }
    }
}
