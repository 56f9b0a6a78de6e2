//! Uploads that somebody else began.

use autodump_core::Result;
use autodump_core::ports::{ObjectLocation, Unfinished, Unfinishing};

use super::S3Store;
use super::failure::{failure, gone};

impl Unfinishing for S3Store {
    async fn unfinished(&self, bucket: &str, prefix: &str) -> Result<Vec<Unfinished>> {
        let location = ObjectLocation { bucket: bucket.to_owned(), key: prefix.to_owned() };
        let mut found = Vec::new();
        let (mut key, mut id) = (None, None);
        loop {
            let request = self.client.list_multipart_uploads().bucket(bucket).prefix(prefix);
            let request = request.set_key_marker(key.take()).set_upload_id_marker(id.take());
            let page = request
                .send()
                .await
                .map_err(|error| failure("its uploads cannot be listed", &location, error))?;
            let uploads = page.uploads.unwrap_or_default().into_iter();
            found.extend(
                uploads.filter_map(|upload| {
                    Some(Unfinished { key: upload.key?, id: upload.upload_id? })
                }),
            );
            if page.is_truncated != Some(true) {
                return Ok(found);
            }
            (key, id) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }

    async fn abandon(&self, bucket: &str, upload: &Unfinished) -> Result<()> {
        let location = ObjectLocation { bucket: bucket.to_owned(), key: upload.key.clone() };
        let request = self.client.abort_multipart_upload().bucket(bucket).key(&upload.key);
        match request.upload_id(&upload.id).send().await {
            Err(error) if !gone(&error) => {
                Err(failure("an upload cannot be aborted", &location, error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use autodump_core::ErrorClass;

    use super::*;
    use crate::replay::{Answer, Sent, replay};
    use crate::s3::Options;

    async fn store(answers: Vec<Answer>) -> (S3Store, Sent) {
        let (config, sent) = replay(answers).await;
        (S3Store::new(&config, Options { path_style: true, ..Options::default() }), sent)
    }

    fn page(uploads: &[(&str, &str)], next: Option<(&str, &str)>) -> Answer {
        let upload = |(key, id): &(&str, &str)| {
            format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId></Upload>")
        };
        let uploads: String = uploads.iter().map(upload).collect();
        let next = next.map_or("<IsTruncated>false</IsTruncated>".to_owned(), |(key, id)| {
            format!(
                "<IsTruncated>true</IsTruncated><NextKeyMarker>{key}</NextKeyMarker>\
                 <NextUploadIdMarker>{id}</NextUploadIdMarker>"
            )
        });
        Answer::text(&format!(
            "<ListMultipartUploadsResult>{next}{uploads}</ListMultipartUploadsResult>"
        ))
    }

    fn refusal(status: u16, code: &str) -> Answer {
        let body = format!("<Error><Code>{code}</Code><Message>No.</Message></Error>");
        Answer::unreadable(status, &body)
    }

    /// The method and the query of each request, in parts that are sorted.
    fn asked(sent: &Sent) -> Vec<(String, Vec<String>)> {
        sent.requests()
            .map(|request| {
                let (place, query) = request.uri().split_once('?').unwrap();
                let place = place.split_once(".com").unwrap().1;
                let mut parts: Vec<_> = query.split('&').map(str::to_owned).collect();
                parts.sort_unstable();
                (format!("{} {place}", request.method()), parts)
            })
            .collect()
    }

    #[tokio::test]
    async fn uploads_are_listed_page_by_page() {
        let last = ("run/b", "id-2");
        let (store, sent) = store(vec![
            page(&[("run/a", "id-1"), last], Some(last)),
            page(&[("run/b", "id-3")], None),
        ])
        .await;
        let found = store.unfinished("backups", "run/").await.unwrap();
        let found: Vec<_> = found.iter().map(|one| (one.key.as_str(), one.id.as_str())).collect();
        assert_eq!(found, [("run/a", "id-1"), ("run/b", "id-2"), ("run/b", "id-3")]);
        let asked = asked(&sent);
        assert!(asked.iter().all(|(place, _)| place.starts_with("GET /backups")), "{asked:?}");
        assert_eq!(asked[0].1, ["prefix=run%2F", "uploads"]);
        let markers = ["key-marker=run%2Fb", "prefix=run%2F", "upload-id-marker=id-2", "uploads"];
        assert_eq!(asked[1].1, markers);
        assert_eq!(asked.len(), 2);
    }

    #[tokio::test]
    async fn where_there_is_none_there_is_none() {
        let (store, _) = store(vec![page(&[], None)]).await;
        assert!(store.unfinished("backups", "run/").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_upload_is_thrown_away_and_one_that_is_gone_is_no_error() {
        let upload = Unfinished { key: "run/a".to_owned(), id: "id-1".to_owned() };
        for answer in [Answer::text(""), refusal(404, "NoSuchUpload")] {
            let (store, sent) = store(vec![answer]).await;
            store.abandon("backups", &upload).await.unwrap();
            let asked = asked(&sent);
            assert_eq!(asked[0].0, "DELETE /backups/run/a");
            assert!(asked[0].1.contains(&"uploadId=id-1".to_owned()), "{asked:?}");
        }
    }

    #[tokio::test]
    async fn refusals_are_errors() {
        let upload = Unfinished { key: "run/a".to_owned(), id: "id-1".to_owned() };
        for (status, code, class) in [
            (403, "AccessDenied", ErrorClass::Credentials),
            (404, "NoSuchBucket", ErrorClass::Configuration),
        ] {
            let (listing, sent) = store(vec![refusal(status, code)]).await;
            let error = listing.unfinished("backups", "run/").await.unwrap_err();
            assert_eq!((error.class(), sent.requests().count()), (class, 1), "{error}");
            assert!(error.what().starts_with("s3://backups/run/: its uploads"), "{error}");
            let (aborting, _) = store(vec![refusal(status, code)]).await;
            let error = aborting.abandon("backups", &upload).await.unwrap_err();
            assert_eq!(error.class(), class, "{error}");
            assert!(error.what().starts_with("s3://backups/run/a: an upload"), "{error}");
        }
        // A listing that fails on its way gives no part of itself.
        let answers = vec![page(&[("run/a", "id-1")], Some(("run/a", "id-1")))];
        let answers = answers.into_iter().chain([refusal(403, "AccessDenied")]).collect();
        assert!(store(answers).await.0.unfinished("backups", "run/").await.is_err());
    }
}
