use std::path::{Path, PathBuf};

use super::{Options, Postgres, fixtures, installed};

/// Every server on this machine, or a loud word that there is none.
pub(crate) fn all() -> Vec<PathBuf> {
    let all = installed();
    if all.is_empty() {
        eprintln!("SKIPPED: no PostgreSQL server is installed");
    }
    all
}

#[test]
fn servers_of_every_version_take_passwords_and_tls() {
    for bin in all() {
        let options = Options { bin: Some(bin.clone()), tls: true, ..Options::default() };
        match Postgres::start(&options) {
            Ok(server) => takes_only_the_password_over_tls(&server),
            Err(error) if format!("{error:#}").contains("SSL is not supported") => {
                eprintln!("SKIPPED: TLS of {}: {error:#}", bin.display());
            }
            Err(error) => panic!("{}: {error:#}", bin.display()),
        }
    }
}

fn takes_only_the_password_over_tls(server: &Postgres) {
    let connect = |password: &str| {
        let query = "SELECT ssl::text || ' ' || (SELECT passwd LIKE 'SCRAM%' FROM pg_shadow WHERE usename = 'postgres')
                     FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        server
            .client("psql")
            .env("PGHOST", "localhost")
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", server.ca_bundle().unwrap())
            .env("PGPASSWORD", password)
            .args(["-XAt", "-d", "postgres", "-c", query])
            .output()
            .unwrap()
    };
    let done = connect(server.password());
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "true true", "{said}");
    assert!(!connect("wrong").status.success());
}

#[test]
fn settings_reach_the_server_and_a_large_table_is_as_large_as_wanted() {
    if all().is_empty() {
        return;
    }
    let settings = vec!["work_mem=7MB".to_owned()];
    let server = Postgres::start(&Options { settings, ..Options::default() }).unwrap();
    assert_eq!(server.sql("postgres", "SHOW work_mem").unwrap(), "7MB");
    fixtures::large_table(&server, "postgres", "Large \"one\"", 20).unwrap();
    let bytes = server.sql("postgres", "SELECT pg_table_size('\"Large \"\"one\"\"\"')").unwrap();
    let mib = bytes.parse::<f64>().unwrap() / 1_048_576.0;
    assert!((18.0..22.0).contains(&mib), "{mib} MiB");
}

#[test]
fn a_server_without_clients_is_used_with_those_of_the_nearest_newer_version() {
    let all = all();
    for bin in all.iter().filter(|bin| !bin.join("psql").exists()) {
        let major =
            |bin: &Path, program: &str| super::installed::version(&bin.join(program)).unwrap().0;
        let clients = all.iter().filter(|bin| bin.join("psql").exists());
        let nearest = clients.map(|bin| major(bin, "psql")).min().unwrap();
        let options = Options { bin: Some(bin.clone()), ..Options::default() };
        let server = Postgres::start(&options).unwrap();
        assert_eq!(major(server.clients(), "psql"), nearest.max(server.major().unwrap()));
        let told = server.sql("postgres", "SHOW server_version_num").unwrap();
        assert_eq!(told.parse::<u32>().unwrap() / 10_000, server.major().unwrap());
    }
}
