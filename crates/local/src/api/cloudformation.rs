//! Stacks: their outputs and resources.

use anyhow::Result;
use hyper::Method;
use roxmltree::Document;

use super::s3::{child, elements};
use super::{Api, encode};

/// A resource of a stack: logical id, type, physical id.
pub(crate) type Resource = (String, String, String);

impl Api {
    /// Creates a stack of a template at once, without the CDK.
    pub(crate) async fn create_stack(&self, stack: &str, template: &str) -> Result<()> {
        let parameters = [("StackName", stack), ("TemplateBody", template)];
        self.cloudformation("CreateStack", &parameters).await.map(drop)
    }

    /// The outputs of a stack, by name.
    pub(crate) async fn stack_outputs(&self, stack: &str) -> Result<Vec<(String, String)>> {
        let text = self.cloudformation("DescribeStacks", &[("StackName", stack)]).await?;
        let document = Document::parse(&text)?;
        elements(&document, "Outputs")
            .flat_map(|outputs| outputs.children())
            .filter(roxmltree::Node::is_element)
            .map(|output| Ok((child(output, "OutputKey")?, child(output, "OutputValue")?)))
            .collect()
    }

    /// The resources of a stack.
    pub(crate) async fn stack_resources(&self, stack: &str) -> Result<Vec<Resource>> {
        let text = self.cloudformation("DescribeStackResources", &[("StackName", stack)]).await?;
        let document = Document::parse(&text)?;
        elements(&document, "StackResources")
            .flat_map(|resources| resources.children())
            // moto lists types that it does not know without an id; nobody asks for those.
            .filter(|resource| child(*resource, "PhysicalResourceId").is_ok())
            .map(|resource| {
                Ok((
                    child(resource, "LogicalResourceId")?,
                    child(resource, "ResourceType")?,
                    child(resource, "PhysicalResourceId")?,
                ))
            })
            .collect()
    }

    async fn cloudformation(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let mut form = vec![format!("Action={action}"), "Version=2010-05-15".to_owned()];
        form.extend(parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))));
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let call = format!("CloudFormation {action}");
        let answer =
            self.send("cloudformation", Method::POST, "/", &headers, form.join("&")).await?;
        Ok(String::from_utf8(answer.body_of(&call)?.into())?)
    }
}
