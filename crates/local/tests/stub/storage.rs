//! S3 and its faults, and PostgreSQL.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::postgres::{Ending, Options, Postgres};
use autodump_local::{Fault, FaultRule};

use crate::{Toy, Trials};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("objects of any name are listed and read", objects);
    trials.add("a fault fails the requests that it names, and no others", faults);
    trials.add("answers are lost, break off and are held on request", answers);
    trials.add("a server with TLS and a password comes back after a kill", |_| postgres());
}

async fn objects(toy: Arc<Toy>) -> Result<()> {
    let (api, bucket) = (toy.cloud.api(), toy.stack.bucket()?);
    ensure!(toy.stack.outputs["BucketName"] == bucket, "{:?}", toy.stack.outputs);
    for key in ["names/a b+c.txt", "names/ä/%.txt", "other/x"] {
        api.put_object(bucket, key, key.to_owned()).await?;
    }
    let keys: Vec<String> =
        api.list_objects(bucket, "names/").await?.into_iter().map(|o| o.key).collect();
    ensure!(keys == ["names/a b+c.txt", "names/ä/%.txt"], "{keys:?}");
    for key in &keys {
        ensure!(api.get_object(bucket, key).await? == *key);
    }
    ensure!(api.open_uploads(bucket, "").await?.is_empty());
    Ok(())
}

async fn faults(toy: Arc<Toy>) -> Result<()> {
    let (api, bucket) = (toy.cloud.api(), toy.stack.bucket()?);
    let rules = [
        ("fail/slow", Fault::SlowDown, "503"),
        ("fail/internal", Fault::InternalError, "500"),
        ("fail/denied", Fault::AccessDenied, "403"),
        ("fail/cut", Fault::Cut, "no answer"),
    ];
    for (key, fault, answer) in rules {
        let id = toy
            .cloud
            .faults()
            .add(FaultRule::always("PutObject", key, fault).starting_at(2).times(1));
        api.put_object(bucket, key, "1").await?;
        let error = api.put_object(bucket, key, "2").await.err().context("it did not fail")?;
        ensure!(format!("{error:#}").contains(answer), "{error:#}");
        api.put_object(bucket, key, "3").await?;
        toy.cloud.faults().remove(id);
        ensure!(toy.cloud.faults().count("PutObject", key) == 3);
        ensure!(api.get_object(bucket, key).await? == "3");
    }
    Ok(())
}

async fn answers(toy: Arc<Toy>) -> Result<()> {
    let (api, bucket, faults) = (toy.cloud.api(), toy.stack.bucket()?, toy.cloud.faults());
    let lost = FaultRule::always("PutObject", "answers/", Fault::LoseAnswer).ending_with("lost");
    let _ = faults.add(lost.times(1));
    let error = api.put_object(bucket, "answers/lost", "x").await.err().context("it answered")?;
    ensure!(format!("{error:#}").contains("no answer"), "{error:#}");
    ensure!(api.get_object(bucket, "answers/lost").await? == "x", "nothing was done");

    let body = "0123456789".repeat(1000);
    api.put_object(bucket, "answers/cut", body.clone()).await?;
    let _ = faults.add(FaultRule::always("GetObject", "answers/cut", Fault::CutAnswer).times(1));
    ensure!(api.get_object(bucket, "answers/cut").await.is_err(), "half an answer was taken");
    ensure!(api.get_object(bucket, "answers/cut").await? == body);

    let hold = faults.add(FaultRule::always("GetObject", "answers/cut", Fault::Hold).times(1));
    let waiting = tokio::spawn({
        let (api, bucket) = (api.clone(), bucket.to_owned());
        async move { api.get_object(&bucket, "answers/cut").await }
    });
    while faults.seen("answers/cut").iter().filter(|seen| seen.faulted).count() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    ensure!(!waiting.is_finished(), "it was not held");
    faults.remove(hold);
    ensure!(waiting.await?? == body);
    api.delete_object(bucket, "answers/cut").await?;
    ensure!(api.get_object(bucket, "answers/cut").await.is_err());
    Ok(())
}

async fn postgres() -> Result<()> {
    tokio::task::spawn_blocking(|| {
        let password = "a 'b' \"c\" $d ä".to_owned();
        let mut server = Postgres::start(&Options { password, tls: true, ..Options::default() })?;
        server.sql("postgres", "CREATE TABLE t AS SELECT 7 AS n")?;
        let bundle = server.ca_bundle().context("no authority")?;
        let verified = |server: &Postgres| {
            let mut client = server.client("psql");
            client
                .env("PGSSLMODE", "verify-full")
                .env("PGSSLROOTCERT", &bundle)
                .env("PGHOST", "localhost");
            client
                .args(["-XAtc", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"])
                .output()
        };
        let output = verified(&server)?;
        ensure!(output.stdout == b"t\n", "{}", String::from_utf8_lossy(&output.stderr));
        let refused =
            server.client("psql").env("PGPASSWORD", "wrong").args(["-c", "SELECT 1"]).output()?;
        ensure!(!refused.status.success(), "a wrong password was accepted");
        server.stop(Ending::Kill)?;
        ensure!(server.sql("postgres", "SELECT 1").is_err(), "it still answers");
        server.restart()?;
        server.stop(Ending::Immediate)?;
        server.restart()?;
        server.sql("postgres", "SELECT 1")?;
        ensure!(server.major()? >= 10);
        Ok(())
    })
    .await?
}
