//! A table schema out of its JSON.

use regex::bytes::Regex;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::TableSchema;
use super::bound::{Bound, Keyword};
use super::form::Form;
use super::keywords::{Keywords, Scalar};
use super::rule::{Rule, Values};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

type Read<T> = Result<T, String>;

/// What says nothing of the rows.
fn is_annotation(keyword: &str) -> bool {
    matches!(
        keyword,
        "$id"
            | "$comment"
            | "title"
            | "description"
            | "examples"
            | "default"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
            | "contentMediaType"
    )
}

/// Reads a schema, or says why it is none.
pub(super) fn schema(json: &[u8]) -> Read<TableSchema> {
    let wrong = |what: String| format!("the table schema {what}");
    let Keywords(keywords) = serde_json::from_slice(json)
        .map_err(|error| wrong(format!("is not understood: {error}")))?;
    let (mut is_object, mut properties, mut required, mut additional) =
        (false, Vec::new(), Vec::new(), true);
    for (keyword, value) in &keywords {
        match keyword.as_str() {
            "$schema" => {
                let dialect: String = of(keyword, value, "a text").map_err(wrong)?;
                if dialect.trim_end_matches('#') != DIALECT {
                    return Err(wrong(format!("has $schema {dialect}, and {DIALECT} is read")));
                }
            }
            "type" if value.get() == "\"object\"" => is_object = true,
            "type" => return Err(wrong(format!("has type {value}, and a row is an object"))),
            "properties" => properties = columns(value)?,
            "required" => required = of(keyword, value, "a list of names").map_err(wrong)?,
            "additionalProperties" => {
                additional = of(keyword, value, "true or false").map_err(wrong)?;
            }
            other if is_annotation(other) => {}
            other => return Err(wrong(unsupported(other))),
        }
    }
    if !is_object {
        return Err(wrong("lacks \"type\": \"object\", which every row is".to_owned()));
    }
    let sha256 = Sha256::digest(json).into();
    Ok(TableSchema { properties, required, additional, sha256 })
}

fn unsupported(keyword: &str) -> String {
    format!("has the keyword {keyword}, which is not supported")
}

/// What a keyword must hold.
fn of<'a, T: Deserialize<'a>>(keyword: &str, value: &'a RawValue, what: &str) -> Read<T> {
    serde_json::from_str(value.get())
        .map_err(|_| format!("has {keyword} {value}, which is not {what}"))
}

fn columns(value: &RawValue) -> Read<Vec<(String, Rule)>> {
    let Keywords(columns) = serde_json::from_str(value.get()).map_err(|error| {
        format!("the table schema has properties that are not understood: {error}")
    })?;
    let rule = |(name, value): (String, Box<RawValue>)| {
        let rule =
            rule(&value).map_err(|why| format!("the table schema, column {name}: it {why}"))?;
        Ok((name, rule))
    };
    columns.into_iter().map(rule).collect()
}

/// What is said of a column, before it is put together.
#[derive(Default)]
struct Said {
    /// The only type, but for `null`.
    kind: Option<Form>,
    nullable: Option<bool>,
    format: Option<Form>,
    /// A keyword of numbers and one of texts, where there is one.
    of_numbers: Option<String>,
    of_texts: Option<String>,
    /// Whether `enum` or `const` was there, and what it allows.
    values: Option<Vec<Scalar>>,
    rule: Rule,
}

fn rule(value: &RawValue) -> Read<Rule> {
    if value.get() == "true" {
        return Ok(Rule::default());
    }
    let Keywords(keywords) =
        serde_json::from_str(value.get()).map_err(|error| format!("is not understood: {error}"))?;
    let mut said = Said::default();
    for (keyword, value) in &keywords {
        said.take(keyword, value)?;
    }
    said.rule()
}

impl Said {
    fn take(&mut self, keyword: &str, value: &RawValue) -> Read<()> {
        if let Some(of_bound) = Keyword::read(keyword) {
            let bound = Bound::new(of_bound, value.get());
            let bound =
                bound.ok_or_else(|| format!("has {keyword} {value}, which it cannot be"))?;
            self.rule.bounds.push(bound);
            let first =
                if of_bound.is_of_numbers() { &mut self.of_numbers } else { &mut self.of_texts };
            first.get_or_insert_with(|| keyword.to_owned());
            return Ok(());
        }
        match keyword {
            "type" => self.types(value)?,
            "enum" | "const" => self.values(keyword, value)?,
            "pattern" => {
                let pattern: String = of(keyword, value, "a text")?;
                let pattern = Regex::new(&pattern)
                    .map_err(|error| format!("has a pattern that is not understood: {error}"))?;
                self.rule.pattern = Some(pattern);
                self.of_texts = Some(keyword.to_owned());
            }
            "format" | "contentEncoding" => {
                let name: String = of(keyword, value, "a text")?;
                let form = Form::of_text(keyword, &name)
                    .ok_or_else(|| format!("has {keyword} {name}, which is not supported"))?;
                if self.format.replace(form).is_some_and(|other| other != form) {
                    return Err("has a format and another contentEncoding".to_owned());
                }
                self.of_texts = Some(keyword.to_owned());
            }
            other if is_annotation(other) => {}
            other => return Err(unsupported(other)),
        }
        Ok(())
    }

    fn types(&mut self, value: &RawValue) -> Read<()> {
        let names: Vec<String> = match Scalar::read(value) {
            Some(Scalar::Text(name)) => vec![name],
            _ => of("type", value, "a type or a list of them")?,
        };
        let mut nullable = false;
        for name in names {
            let form =
                Form::of_type(&name).ok_or_else(|| format!("has type {name}, which is none"))?;
            if form == Form::Null {
                nullable = true;
            } else if self.kind.replace(form).is_some() {
                return Err(format!("has type {value}: one is supported, and null"));
            }
        }
        if self.kind.is_none() {
            if !nullable {
                return Err("has type [], which nothing is".to_owned());
            }
            self.kind = Some(Form::Null);
        }
        self.nullable = Some(nullable);
        Ok(())
    }

    fn values(&mut self, keyword: &str, value: &RawValue) -> Read<()> {
        let all: Vec<Box<RawValue>> = match keyword {
            "const" => vec![value.to_owned()],
            _ => of(keyword, value, "a list of values")?,
        };
        let scalars = all.iter().map(|value| Scalar::read(value)).collect::<Option<Vec<_>>>();
        let scalars = scalars.filter(|scalars| !scalars.is_empty());
        let scalars = scalars.ok_or_else(|| {
            format!("has {keyword} {value}: texts, numbers, booleans and null are supported")
        })?;
        match self.values.replace(scalars) {
            None => Ok(()),
            Some(_) => Err("has both enum and const".to_owned()),
        }
    }

    /// Puts the rule together. A keyword that could never apply is refused.
    fn rule(mut self) -> Read<Rule> {
        let mut nullable = self.nullable.unwrap_or(true);
        if let Some(scalars) = self.values.take() {
            let has_null = scalars.contains(&Scalar::Null);
            nullable &= has_null;
            let others: Vec<_> = scalars.into_iter().filter(|one| *one != Scalar::Null).collect();
            let kind = kind(&others, has_null)?;
            let fits =
                |stated: Form| stated == kind || (stated, kind) == (Form::Number, Form::Integer);
            if others.is_empty() {
                self.kind.get_or_insert(kind);
            } else if !fits(*self.kind.get_or_insert(kind)) {
                return Err(format!("has an enum of {} and another type", kind.name()));
            }
            self.rule.one_of = Values::of(&others);
        }
        let numbers = matches!(self.kind, Some(Form::Integer | Form::Number));
        for (keyword, fits, needs) in [
            (&self.of_numbers, numbers, "integer or number"),
            (&self.of_texts, self.kind == Some(Form::String), "string"),
        ] {
            if let (Some(keyword), false) = (keyword, fits) {
                return Err(format!("has {keyword}, which needs the type {needs}"));
            }
        }
        self.rule.not_null = !nullable;
        self.rule.form = self.format.or(self.kind);
        Ok(self.rule)
    }
}

/// The type of the values of an `enum`.
fn kind(scalars: &[Scalar], has_null: bool) -> Read<Form> {
    let of = |scalar: &Scalar| match scalar {
        Scalar::Null => Form::Null,
        Scalar::Boolean(_) => Form::Boolean,
        Scalar::Text(_) => Form::String,
        Scalar::Number(written) if Form::Integer.fits(written.as_bytes()) => Form::Integer,
        Scalar::Number(_) => Form::Number,
    };
    let mut kinds = scalars.iter().map(of);
    let Some(first) = kinds.next() else {
        return if has_null { Ok(Form::Null) } else { Err("has an empty enum".to_owned()) };
    };
    kinds.try_fold(first, |all, kind| match (all, kind) {
        (all, kind) if all == kind => Ok(all),
        (Form::Integer, Form::Number) | (Form::Number, Form::Integer) => Ok(Form::Number),
        _ => Err("has an enum of several types: one is supported, and null".to_owned()),
    })
}
