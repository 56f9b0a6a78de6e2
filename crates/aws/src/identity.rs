//! Whose credentials are used.

use autodump_core::table::arn::Home;
use autodump_core::{Error, ErrorClass, Result};
use aws_config::SdkConfig;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Builder;

use crate::config::short_requests;
use crate::failure::failure;

/// The region of `config`, and the account of its credentials. Nobody needs a right to ask for it.
pub async fn home(config: &SdkConfig) -> Result<Home> {
    let client = Builder::from(config).timeout_config(short_requests()).build();
    let answer = Client::from_conf(client).get_caller_identity().send().await;
    let answer = answer.map_err(|error| {
        failure(
            "cannot ask whose the AWS credentials are (sts:GetCallerIdentity)",
            error,
            "Look at the credentials, and at the role that is to be assumed",
            "Look at what stands between here and AWS",
        )
    })?;
    let partition = answer.arn().and_then(|arn| arn.split(':').nth(1));
    match (partition, answer.account()) {
        (Some(partition), Some(account)) => Ok(Home {
            partition: partition.to_owned(),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            account: account.to_owned(),
        }),
        _ => Err(Error::new(
            ErrorClass::Internal,
            format!("the AWS credentials are of {:?}, which names no account", answer.arn()),
            "Look at what stands between here and AWS",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{Answer, replay};

    fn identity(arn: &str) -> Answer {
        Answer::text(&format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <GetCallerIdentityResult><Arn>{arn}</Arn><UserId>x</UserId>\
             <Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        ))
    }

    #[tokio::test]
    async fn the_account_is_that_of_the_credentials() {
        let arn = "arn:aws-cn:sts::111122223333:assumed-role/AutoDump/AutoDump";
        let (config, sent) = replay(vec![identity(arn)]).await;
        let home = home(&config).await.unwrap();
        assert_eq!((home.partition.as_str(), home.account.as_str()), ("aws-cn", "111122223333"));
        assert_eq!(home.region, "eu-central-1");
        let requests: Vec<_> = sent.requests().collect();
        assert_eq!(requests[0].uri(), "https://sts.eu-central-1.amazonaws.com/");
    }

    #[tokio::test]
    async fn credentials_that_are_refused_are_an_error_of_theirs() {
        let refused = "<ErrorResponse><Error><Type>Sender</Type>\
                       <Code>InvalidClientTokenId</Code><Message>no</Message></Error>\
                       </ErrorResponse>";
        let (config, _) = replay(vec![Answer::unreadable(403, refused)]).await;
        let error = home(&config).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Credentials);
        assert!(error.what().contains("GetCallerIdentity"), "{error}");
        let (config, _) = replay(vec![identity("odd")]).await;
        assert_eq!(home(&config).await.unwrap_err().class(), ErrorClass::Internal);
    }
}
