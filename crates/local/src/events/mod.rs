//! `EventBridge`: the rules of the deployed stack, fired by time and by what passes the front door.

mod pattern;
mod schedule;
pub(crate) mod trail;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api::{Api, list_at, text_at};
use crate::lambda::{Answer, Lambda};
use crate::say::progress;
use pattern::Pattern;

/// How long after the deployment a schedule fires first.
const FIRST_FIRING: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Rule {
    arn: String,
    interval: Option<Duration>,
    pattern: Option<Pattern>,
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    arn: String,
    input: Option<String>,
}

/// The rules of the deployed stack.
#[derive(Debug)]
pub(crate) struct Events {
    moto: Api,
    lambda: Arc<Lambda>,
    rules: Mutex<Vec<Arc<Rule>>>,
    timers: Mutex<JoinSet<()>>,
}

impl Events {
    pub(crate) fn new(moto: Api, lambda: Arc<Lambda>) -> Self {
        Self { moto, lambda, rules: Mutex::default(), timers: Mutex::default() }
    }

    /// Reads all rules that moto holds and starts their schedules. A rule that the local cloud
    /// cannot honour is an error that says what it does not know.
    pub(crate) async fn load(&self) -> Result<()> {
        let found = self.moto.call("AWSEvents.ListRules", &json!({})).await?;
        let mut rules = Vec::new();
        for rule in list_at(&found, "Rules") {
            if rule["State"] != "DISABLED" {
                let name = text_at(rule, "Name")?;
                let read =
                    self.read_rule(rule).await.with_context(|| format!("the rule {name}"))?;
                rules.push(Arc::new(read));
            }
        }
        let mut timers = JoinSet::new();
        for rule in &rules {
            if let Some(interval) = rule.interval {
                let (lambda, moto) = (Arc::clone(&self.lambda), self.moto.clone());
                timers.spawn(keep_firing(lambda, moto, Arc::clone(rule), interval));
            }
        }
        *self.timers.lock().unwrap_or_else(PoisonError::into_inner) = timers;
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    async fn read_rule(&self, rule: &Value) -> Result<Rule> {
        let input = json!({"Rule": text_at(rule, "Name")?});
        let found = self.moto.call("AWSEvents.ListTargetsByRule", &input).await?;
        let pattern = match rule["EventPattern"].as_str() {
            Some(text) if !text.is_empty() => Some(Pattern::read(&serde_json::from_str(text)?)?),
            _ => None,
        };
        let interval = match rule["ScheduleExpression"].as_str() {
            Some(text) if !text.is_empty() => Some(schedule::interval(text)?),
            _ => None,
        };
        let targets = list_at(&found, "Targets").iter().map(read_target).collect::<Result<_>>()?;
        Ok(Rule { arn: text_at(rule, "Arn")?.to_owned(), interval, pattern, targets })
    }

    /// Publishes an event: every rule whose pattern it fits passes it on.
    pub(crate) fn publish(&self, event: &Value) {
        for rule in self.rules() {
            if rule.pattern.as_ref().is_some_and(|pattern| pattern.matches(event)) {
                rule.deliver(&self.lambda, &self.moto, event);
            }
        }
    }

    /// Whether a rule may want events of this source.
    pub(crate) fn wants(&self, source: &str) -> bool {
        let wants = |rule: &Arc<Rule>| {
            rule.pattern.as_ref().is_some_and(|pattern| pattern.may_be_of(source))
        };
        self.rules().iter().any(wants)
    }

    /// Tells the rules of an object that an operation made. Whether the bucket sends its events at
    /// all is not looked at.
    pub(crate) async fn object_created(&self, bucket: &str, key: &str, by: &str) -> Result<()> {
        let (object, etag) = self.moto.head_object(bucket, key).await?;
        self.publish(&trail::object_created(bucket, &object, &etag, by));
        Ok(())
    }

    /// Tells the rules of an execution that has ended.
    pub(crate) async fn execution_ended(&self, execution: &str) -> Result<Value> {
        let asked = json!({"executionArn": execution});
        let described = self.moto.call("AWSStepFunctions.DescribeExecution", &asked).await?;
        self.publish(&trail::execution_changed(&described));
        Ok(described["status"].clone())
    }

    /// Fires all schedules now and waits for what the functions answer.
    pub(crate) async fn fire_schedules(&self) -> Result<Vec<Value>> {
        let mut answers = Vec::new();
        for rule in self.rules().iter().filter(|rule| rule.interval.is_some()) {
            let event = rule.scheduled_event();
            for target in &rule.targets {
                let payload = target.payload(&event);
                if target.is_machine() {
                    answers
                        .push(json!({"executionArn": target.start(&self.moto, &payload).await?}));
                    continue;
                }
                match self.lambda.invoke(&target.arn, payload.into()).await? {
                    Answer::Success(body) => answers.push(serde_json::from_slice(&body)?),
                    Answer::Failure(error) => {
                        bail!("{} failed: {}", target.arn, String::from_utf8_lossy(&error))
                    }
                }
            }
        }
        Ok(answers)
    }

    /// Tells the rules of a call of Secrets Manager that succeeded.
    pub(crate) async fn secret_changed(
        &self,
        operation: &str,
        input: &Value,
        output: &Value,
    ) -> Result<()> {
        self.publish(&trail::call_record(operation, input, output));
        let changed = trail::changed_keys(operation, input);
        if changed.is_empty() {
            return Ok(());
        }
        let id = output["ARN"]
            .as_str()
            .or(input["SecretId"].as_str())
            .context("a call without a secret")?;
        let secret = self.moto.describe_secret(id).await?;
        self.publish(&trail::tag_change(text_at(&secret, "ARN")?, &changed, &secret));
        Ok(())
    }

    /// Stops all schedules.
    pub(crate) fn stop(&self) {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    fn rules(&self) -> Vec<Arc<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Rule {
    fn scheduled_event(&self) -> Value {
        trail::envelope("aws.events", "Scheduled Event", &[&self.arn], &json!({}))
    }

    fn deliver(&self, lambda: &Arc<Lambda>, moto: &Api, event: &Value) {
        for target in &self.targets {
            let payload = target.payload(event);
            if target.is_machine() {
                target.start_later(moto, payload);
            } else {
                lambda.invoke_later(&target.arn, payload.into());
            }
        }
    }
}

impl Target {
    fn payload(&self, event: &Value) -> String {
        self.input.clone().unwrap_or_else(|| event.to_string())
    }

    fn is_machine(&self) -> bool {
        self.arn.contains(":stateMachine:")
    }

    /// Starts the state machine; returns the execution's ARN.
    async fn start(&self, moto: &Api, payload: &str) -> Result<String> {
        let name = uuid::Uuid::new_v4().to_string();
        moto.start_execution(&self.arn, &name, &serde_json::from_str(payload)?).await
    }

    fn start_later(&self, moto: &Api, payload: String) {
        let target = Self { arn: self.arn.clone(), input: None };
        let moto = moto.clone();
        tokio::spawn(async move {
            if let Err(error) = target.start(&moto, &payload).await {
                progress(&format!("events: {} could not be started: {error:#}", target.arn));
            }
        });
    }
}

fn read_target(target: &Value) -> Result<Target> {
    let arn = text_at(target, "Arn")?;
    if arn.contains(":stateMachine:") {
        text_at(target, "RoleArn").context("a state machine is started by a role")?;
    } else if !arn.contains(":lambda:") {
        bail!("the local cloud knows functions and state machines as targets only, got {arn}");
    }
    for unknown in ["InputPath", "InputTransformer"] {
        if !target[unknown].is_null() {
            bail!("the local cloud does not know {unknown} of the target {arn}");
        }
    }
    Ok(Target { arn: arn.to_owned(), input: target["Input"].as_str().map(str::to_owned) })
}

async fn keep_firing(lambda: Arc<Lambda>, moto: Api, rule: Arc<Rule>, interval: Duration) {
    let mut clock = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_FIRING, interval);
    loop {
        clock.tick().await;
        rule.deliver(&lambda, &moto, &rule.scheduled_event());
    }
}
