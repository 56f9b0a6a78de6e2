use autodump_core::ErrorClass;
use autodump_core::ports::{Listed, ListedPage, ObjectLocation};
use autodump_core::table::definition::Definition;
use autodump_core::testing::MemoryStore;

use super::*;

/// Lists objects as long as they are said to be, whatever they have.
struct Sized(Vec<Listed>);

impl ObjectReader for Sized {
    type Content = <MemoryStore as ObjectReader>::Content;

    async fn get(
        &self,
        location: &ObjectLocation,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Self::Content> {
        MemoryStore::default().get(location, range).await
    }

    async fn page(&self, _: &str, _: &str, _: Option<&str>) -> Result<ListedPage> {
        Ok(ListedPage { objects: self.0.clone(), next: None })
    }
}

fn backup(objects: usize, bytes: u64) -> (Backup, Sized) {
    let at =
        |name: &str| ObjectLocation { bucket: "backups".to_owned(), key: format!("data/{name}") };
    let golden = include_str!("../../../../../contract/table-definition.json");
    let mut definition = Definition::parse(golden).unwrap();
    definition.create.remove("LocalSecondaryIndexes");
    let object = |number: usize| DataObject {
        location: at(&format!("{number:06}")),
        bytes: if number == 0 { bytes } else { 1 },
        sha256: None,
        crc64nvme: None,
        items: 1,
    };
    let objects: Vec<_> = (0..objects).map(object).collect();
    let listed = |object: &DataObject| Listed {
        key: object.location.key.clone(),
        bytes: object.bytes,
        etag: String::new(),
    };
    let listed = Sized(objects.iter().map(listed).collect());
    let backup = Backup {
        directory: "s3://backups/".to_owned(),
        data: at(""),
        bucket_owner: None,
        objects,
        compression: Algorithm::Zstd,
        definition,
    };
    (backup, listed)
}

async fn chosen(method: Method, region: &str, (backup, listed): (Backup, Sized)) -> Result<Choice> {
    let arn = format!("arn:aws:dynamodb:{region}:111122223333:table/copy");
    let options = Options { method, import_from: 1, ..Options::default() };
    choose(&listed, &backup, &arn.parse().unwrap(), &options, false).await
}

#[tokio::test]
async fn more_than_an_account_may_import_at_once_is_written_unless_an_import_is_asked_for() {
    for (region, most) in [
        ("us-east-1", 15_000_000_000_000),
        ("us-west-2", 15_000_000_000_000),
        ("eu-west-1", 15_000_000_000_000),
        ("eu-central-1", 1_000_000_000_000),
    ] {
        for method in [Method::Auto, Method::Import] {
            let choice = chosen(method, region, backup(1, most)).await.unwrap();
            assert!(choice.imports && choice.remark.is_none(), "{region}: {choice:?}");
        }
        let choice = chosen(Method::Auto, region, backup(1, most + 1)).await.unwrap();
        assert!(!choice.imports && choice.reason.contains(&most.to_string()), "{choice:?}");
        let choice = chosen(Method::Import, region, backup(1, most + 1)).await.unwrap();
        assert!(choice.imports, "{choice:?}");
        assert!(choice.remark.unwrap().contains(&format!("may have {most} in {region}")));
    }
}

#[tokio::test]
async fn more_objects_than_an_import_takes_are_written_and_never_imported() {
    assert!(chosen(Method::Auto, "us-east-1", backup(50_000, 1)).await.unwrap().imports);
    let choice = chosen(Method::Auto, "us-east-1", backup(50_001, 1)).await.unwrap();
    assert!(!choice.imports && choice.reason.contains("50001 data objects"), "{choice:?}");
    let error = chosen(Method::Import, "us-east-1", backup(50_001, 1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("an import takes 50000"), "{error}");
}
