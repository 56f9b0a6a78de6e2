//! A database without room for what is restored.

use autodump_core::ErrorClass;
use autodump_core::restore::RestoreOptions;

use super::support::backup::empty_like;
use super::support::disk::Disk;
use super::support::postgres::start;
use super::{CONTENT, FINGERPRINT, backed_up, into, jobs, restored};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_with_room_it_goes_on_by_clean() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server, CONTENT).await;
    let Some(disk) = Disk::of(&server, 20) else { return };
    disk.tablespace(&server);
    empty_like(&server, "restored", "TEMPLATE template0 TABLESPACE small");
    let target = into(&server, "restored");
    let error = restored(&server, &target, &store, &at, jobs()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    assert!(error.what().contains("No space left on device"), "{error}");
    assert!(error.hint().contains("holds only a part of the backup"), "{error}");
    disk.resize(256);
    let clean = RestoreOptions { clean: true, ..jobs() };
    restored(&server, &target, &store, &at, clean).await.unwrap();
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
}
