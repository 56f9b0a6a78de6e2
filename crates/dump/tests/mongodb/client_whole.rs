//! What only `mongodump` dumps: the oplog, users and roles.

use autodump_core::ErrorClass;
use autodump_core::manifest::Consistency;
use autodump_core::options::DumpOptions;
use autodump_core::testing::MemoryStore;
use autodump_documentdb::{Content, Ids, Server, Settings, Shape};
use bson::{Document, doc};

use super::client_support::{
    Dumper, archive, by_client, content, driver, dump, dump_all, fields, guarded, tables, told,
};
use super::support::left_nothing;

fn two() -> Content {
    let shop = Content::new().generated("shop", "items", (Shape::Small, Ids::Int, 500)).unwrap();
    shop.generated("other", "things", (Shape::Small, Ids::Int, 30)).unwrap()
}

fn all(set: impl FnOnce(&mut DumpOptions)) -> DumpOptions {
    let mut options = DumpOptions { all_databases: Some(true), ..DumpOptions::default() };
    set(&mut options);
    options
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_dumped_with_the_oplog() {
    let Some(dumper) = Dumper::new() else { return };
    let source = Server::stub(two().oplog().unwrap(), &guarded()).unwrap();
    let client = driver(&source).await;
    let late = client.database("shop").collection::<Document>("late");
    late.insert_one(doc! { "_id": 1 }).await.unwrap();
    let store = MemoryStore::default();
    let options = all(|options| options.oplog = Some(true));
    let manifest = dump(&dumper.engine(), &fields(&source), options, &store).await.unwrap();
    assert_eq!(manifest.database, "*");
    assert_eq!(manifest.consistency, Consistency::PointInTime);
    assert!(manifest.objects[0].key.ends_with("/all.archive.gz"), "{}", manifest.objects[0].key);
    assert!(manifest.restore[0].ends_with("--oplogReplay"), "{:?}", manifest.restore);
    assert_eq!(manifest.method.reason.as_deref(), Some("the option oplog is yes"));
    let names: Vec<_> = manifest
        .tables
        .iter()
        .map(|table| format!("{}.{} {}", table.schema, table.name, table.rows))
        .collect();
    for name in ["shop.items 500", "shop.late 1", "other.things 30"] {
        assert!(names.iter().any(|one| one == name), "{name} in {names:?}");
    }
    let oplog = manifest.tables.iter().find(|table| table.name == "oplog").unwrap();
    assert!(oplog.schema.is_empty() && oplog.rows > 0, "{oplog:?}");
    // The stub cannot apply the oplog, so that it is left out here.
    let target = Server::stub(Content::new(), &guarded()).unwrap();
    dumper.restore(&target, &archive(&store, &manifest), &["--gzip"]);
    let restored = driver(&target).await;
    for database in ["shop", "other"] {
        assert!(content(&restored, database).await == content(&client, database).await);
    }
}

/// mongodump takes them along, unasked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_oplog_users_and_roles_are_dumped_only_if_they_are_wanted() {
    let Some(dumper) = Dumper::new() else { return };
    let source = two().users("shop").unwrap().oplog().unwrap();
    let server = Server::stub(source, &guarded()).unwrap();
    let admin = content(&driver(&server).await, "admin").await;
    for globals in [None, Some(false), Some(true)] {
        let store = MemoryStore::default();
        let options = all(|options| (options.oplog, options.globals) = (Some(true), globals));
        let manifest = dump(&dumper.engine(), &fields(&server), options, &store).await.unwrap();
        let known = tables(&manifest);
        for name in ["system.users", "system.roles", "system.version"] {
            let expected = globals.filter(|wanted| *wanted).map(|_| told(&admin[name]));
            assert_eq!(known.get(name), expected.as_ref(), "{globals:?} {name}");
        }
        assert!(known.contains_key("items") && known.contains_key("oplog"), "{known:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_admin_is_dumped_with_its_users() {
    let Some(dumper) = Dumper::new() else { return };
    let server = Server::stub(two().users("shop").unwrap(), &guarded()).unwrap();
    let mut fields = fields(&server);
    fields["dbname"] = "admin".into();
    let job = autodump_dump::run::DumpJob {
        database: "admin".to_owned(),
        options: DumpOptions { globals: Some(true), ..DumpOptions::default() },
        ..super::support::job()
    };
    let (store, settings) = (MemoryStore::default(), super::support::settings());
    let access = super::support::access_to(&fields);
    let never = std::future::pending();
    let done =
        autodump_dump::run::run(&dumper.engine(), &store, &access, &job, &settings, never).await;
    let manifest = &done.unwrap()[0];
    let admin = content(&driver(&server).await, "admin").await;
    assert_eq!(tables(manifest)["system.users"], told(&admin["system.users"]));
    assert!(manifest.restore[0].ends_with("--nsInclude='admin.*'"), "{:?}", manifest.restore);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_oplog_nothing_is_begun() {
    let Some(dumper) = Dumper::new() else { return };
    let alone = Settings { set_name: None, ..guarded() };
    for (content, settings, says) in [
        (two().oplog().unwrap(), alone, "is no member of a replica set"),
        (two(), guarded(), "shows no oplog"),
    ] {
        let server = Server::stub(content, &settings).unwrap();
        let store = MemoryStore::default();
        let options = all(|options| options.oplog = Some(true));
        let outcome = dump_all(&dumper.engine(), &fields(&server), options, &store).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert!(error.what().contains(says), "{error}");
        left_nothing(&store);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_and_roles_of_a_database_are_in_its_archive() {
    let Some(dumper) = Dumper::new() else { return };
    let source = Server::stub(two().users("shop").unwrap(), &guarded()).unwrap();
    let store = MemoryStore::default();
    let options = DumpOptions { globals: Some(true), ..DumpOptions::default() };
    let manifest = dump(&dumper.engine(), &fields(&source), options, &store).await.unwrap();
    assert_eq!(manifest.method.reason.as_deref(), Some("the option globals is yes"));
    let known = tables(&manifest);
    let names: Vec<_> = known.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["$admin.system.roles", "$admin.system.users", "$admin.system.version", "items"]
    );
    let admin = content(&driver(&source).await, "admin").await;
    for name in ["system.roles", "system.users"] {
        assert_eq!(known[&format!("$admin.{name}")], told(&admin[name]), "{name}");
    }
    let expected = "--restoreDbUsersAndRoles --db=shop";
    assert!(manifest.restore[0].ends_with(expected), "{:?}", manifest.restore);
    // Who wants no users gets the rest alone.
    let target = Server::stub(Content::new(), &guarded()).unwrap();
    dumper.restore(&target, &archive(&store, &manifest), &["--gzip", "--nsInclude=shop.*"]);
    let (before, after) = (driver(&source).await, driver(&target).await);
    assert!(content(&after, "shop").await == content(&before, "shop").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_lacks_the_users_is_no_backup() {
    let Some(dumper) = Dumper::new() else { return };
    let source = Server::stub(two().users("shop").unwrap(), &guarded()).unwrap();
    let (engine, _directory) = dumper.without("--dumpDbUsersAndRoles");
    let store = MemoryStore::default();
    let options = DumpOptions { globals: Some(true), ..DumpOptions::default() };
    let error = dump(&engine, &fields(&source), options, &store).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine, "{error}");
    assert!(error.what().contains("its archive lacks shop.$admin.system.roles"), "{error}");
    left_nothing(&store);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_all_databases_are_in_the_archive_of_admin() {
    let Some(dumper) = Dumper::new() else { return };
    let server = Server::stub(two().users("shop").unwrap(), &guarded()).unwrap();
    let store = MemoryStore::default();
    let options = DumpOptions { all_databases: Some(true), globals: Some(true), ..by_client() };
    let manifests = dump_all(&dumper.engine(), &fields(&server), options, &store).await.unwrap();
    let databases: Vec<_> = manifests.iter().map(|one| one.database.as_str()).collect();
    assert_eq!(databases, ["admin", "other", "shop"]);
    let known = tables(&manifests[0]);
    let admin = content(&driver(&server).await, "admin").await;
    assert_eq!(known["system.users"], told(&admin["system.users"]));
    assert_eq!(known["system.roles"], told(&admin["system.roles"]));
    let [things, items] = [&manifests[1], &manifests[2]].map(tables);
    assert_eq!((things.len(), items.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_shows_no_users_is_refused_before_anything_is_written() {
    let Some(dumper) = Dumper::new() else { return };
    let Some(server) = Server::documentdb(&guarded()).unwrap() else { return };
    let items = driver(&server).await.database("shop").collection::<Document>("items");
    items.insert_one(doc! { "_id": 1 }).await.unwrap();
    for all_databases in [false, true] {
        let options = DumpOptions {
            all_databases: Some(all_databases),
            globals: Some(true),
            ..DumpOptions::default()
        };
        let store = MemoryStore::default();
        let outcome = dump_all(&dumper.engine(), &fields(&server), options, &store).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert!(error.what().contains("shows no users and roles"), "{error}");
        left_nothing(&store);
    }
}
