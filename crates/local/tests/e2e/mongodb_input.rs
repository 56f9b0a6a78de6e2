//! Secrets of MongoDB that are wrong, and a server that refuses.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::Options;
use serde_json::{Value, json};

use crate::mongodb::no_password_in;
use crate::world::{Case, FAR, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(wrong_connection_strings_of_mongodb_fail_and_are_shown_nowhere),
    case!(a_wrong_password_of_mongodb_fails_as_credentials),
    case!(a_server_of_mongodb_by_an_unknown_authority_is_refused),
    case!(what_mongodb_has_not_fails_as_configuration),
];

/// A piece of every password here that stands in no other text.
const PIECE: &str = "geheim";

/// One secret, one run, which fails in `state`; the log holds `words` and nothing of a password.
async fn fails(
    world: &World,
    name: &str,
    value: &Value,
    more: &[(&str, &str)],
    state: &str,
    words: &[&str],
) -> Result<()> {
    let mut tags = vec![(SCHEDULE, FAR)];
    tags.extend(more);
    let target = world.secret(name, value, &tags).await?;
    let run = world.run_now(&target).await?;
    let cause = world.fails_in(&run, state, &["The next run is scheduled"]).await?;
    let log = world.job_log(&run);
    for word in words {
        ensure!(log.contains(word), "{name}: no {word:?} in {log}");
    }
    ensure!(!log.contains(PIECE) && !cause.contains(PIECE), "a password is shown: {log} {cause}");
    world.shows_no_password(&run).await?;
    world.nothing_is_left_but_the_next_run(&target).await
}

/// Whoever forgets to encode a password. No server is asked.
async fn wrong_connection_strings_of_mongodb_fail_and_are_shown_nowhere(
    world: Arc<World>,
) -> Result<()> {
    let bad = [
        ("e2e/mongo-percent", "mongodb://app:50%geheim@localhost/shop", "%25"),
        ("e2e/mongo-at", "mongodb://app:gehe@im-geheim@localhost/shop", "%40"),
        ("e2e/mongo-slash", "mongodb://app:x/geheim@localhost/shop", "%2F"),
        ("e2e/mongo-colon", "mongodb://app:x:geheim@localhost/shop", "%3A"),
        ("e2e/mongo-cut", "mongodb://app:geheim@localhost/shop?tls=true&x", "option"),
        ("e2e/mongo-option", "mongodb://app:geheim@localhost/shop?tlsCAFile=x", "tlsCAFile"),
        ("e2e/mongo-scheme", "postgres://app:geheim@localhost/shop", "mongodb://"),
    ];
    let checks = bad.into_iter().map(|(name, uri, words)| {
        let (world, value) = (&world, json!({"engine": "mongodb", "uri": uri}));
        async move {
            let words = ["the secret's field uri", words];
            fails(world, name, &value, &[], "Failed: configuration", &words).await
        }
    });
    futures_util::future::try_join_all(checks).await.map(drop)
}

/// Also where the password has an `&` that is not encoded, which is allowed to stand.
async fn a_wrong_password_of_mongodb_fails_as_credentials(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let mut value = server.value("admin-of-nothing");
    value["password"] = json!("geheim & %41 @ wrong");
    let words = ["uthentication"];
    fails(&world, "e2e/mongo-wrong", &value, &[], "Failed: credentials", &words).await?;
    let port = server.port();
    let uri = format!("mongodb://app%20user:geheim&x@localhost:{port}/shop?authSource=admin");
    let value = json!({"engine": "mongodb", "uri": uri});
    fails(&world, "e2e/mongo-wrong-uri", &value, &[], "Failed: credentials", &words).await
}

async fn a_server_of_mongodb_by_an_unknown_authority_is_refused(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let bundle = Options::new().project.join("batch-image/rds-ca-bundle.pem");
    let bundle = std::fs::read_to_string(bundle)?;
    let end = "-----END CERTIFICATE-----\n";
    let first = bundle.split_inclusive(end).next().context("no certificate in the bundle")?;
    let mut value = server.value("shop");
    value["sslrootcert"] = json!(first);
    let words = ["certificate"];
    fails(&world, "e2e/mongo-authority", &value, &[], "Failed: configuration", &words).await
}

async fn what_mongodb_has_not_fails_as_configuration(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let (value, state) = (server.value("mongo-nothing"), "Failed: configuration");
    let tags = [("autodump:tables", "orders")];
    fails(&world, "e2e/mongo-tables", &value, &tags, state, &["tables", "mongodb"]).await?;
    let tags = [("autodump:compression", "zstd")];
    fails(&world, "e2e/mongo-zstd", &value, &tags, state, &["zstd", "gzip"]).await?;
    fails(&world, "e2e/mongo-nothing", &value, &[], state, &["mongo-nothing"]).await?;
    no_password_in(&world.scanner_log()?)?;
    Ok(())
}
