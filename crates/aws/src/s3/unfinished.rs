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
