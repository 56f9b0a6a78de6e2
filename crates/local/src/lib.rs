//! The local cloud of `AutoDump`: the synthesised stack, its own Lambda binaries and the dumper, on
//! one machine and without an AWS account. It serves the demo, the end-to-end tests and a person
//! who wants to try a tag. Never shipped.
//!
//! Two servers make it up, both on loopback. **moto** (Python, with the repairs of
//! `python/autodump_moto`) holds the state: `CloudFormation`, Step Functions, Secrets Manager, S3.
//! The **front door** (this crate) is the endpoint that everything talks to: it runs Lambda
//! functions and Batch jobs as processes, fires `EventBridge` rules, stands in for RDS, can make
//! requests fail, and passes everything else on to moto.
//!
//! IAM is not enforced here, so a local run proves nothing about grants.

pub mod api;
pub mod assembly;
mod batch;
pub mod bench;
mod cloud;
pub mod compare;
pub mod demo;
mod deploy;
mod events;
mod front;
mod http;
mod lambda;
pub mod mongodb;
mod moto;
pub mod postgres;
mod process;
mod python;
pub mod rds;
pub mod say;
pub mod shell;

pub use batch::{AttemptView, JobView};
pub use cloud::{LocalCloud, Options};
pub use deploy::Stack;
pub use front::faults::{ANY, Fault, FaultRule, Faults, SeenRequest};
pub use process::Signal;

/// The account that everything in the local cloud belongs to.
pub const ACCOUNT: &str = "123456789012";
/// The bucket of another team, which CSV of exports goes to.
pub const CSV_BUCKET: &str = "autodump-local-csv";
/// The region that everything in the local cloud is in.
pub const REGION: &str = "us-east-1";
