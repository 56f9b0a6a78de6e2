//! What is looked at in every value of a column.

use regex::bytes::Regex;

use super::bound::Bound;
use super::form::{Fit, Form};
use super::keywords::Scalar;
use crate::column::Column;
use crate::number::Number;
use crate::text::Bad;

/// The rule of a column. By default anything is well.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rule {
    pub(super) not_null: bool,
    /// What the text has to be read as: the type, or for texts the format.
    pub(super) form: Option<Form>,
    pub(super) pattern: Option<Regex>,
    pub(super) bounds: Vec<Bound>,
    /// What it has to be one of: values as texts, or numbers.
    pub(super) one_of: Option<Values>,
}

/// The values of `enum` or `const`, but for null.
#[derive(Debug, Clone)]
pub(super) enum Values {
    Texts(Vec<String>),
    Numbers(Vec<Number>),
}

impl Values {
    /// Scalars of one kind. `None` where there are several.
    pub(super) fn of(scalars: &[Scalar]) -> Option<Self> {
        let number = |scalar: &Scalar| match scalar {
            Scalar::Number(written) => Number::read(written.as_bytes()),
            _ => None,
        };
        let text = |scalar: &Scalar| match scalar {
            Scalar::Text(text) => Some(text.clone()),
            _ => None,
        };
        let boolean = |scalar: &Scalar| match scalar {
            Scalar::Boolean(value) => Some(value.to_string()),
            _ => None,
        };
        let numbers = || scalars.iter().map(number).collect::<Option<_>>().map(Self::Numbers);
        let texts = || scalars.iter().map(text).collect::<Option<_>>().map(Self::Texts);
        let booleans = || scalars.iter().map(boolean).collect::<Option<_>>().map(Self::Texts);
        texts().or_else(numbers).or_else(booleans)
    }

    fn has(&self, text: &[u8]) -> bool {
        match self {
            Self::Texts(texts) => texts.iter().any(|known| known.as_bytes() == text),
            Self::Numbers(numbers) => {
                Number::read(text).is_some_and(|number| numbers.contains(&number))
            }
        }
    }
}

impl Rule {
    /// The rule for a file's column, without what the file says itself. The error is what the
    /// column is, and what it should be.
    pub(super) fn of_column(&self, column: &Column) -> Result<Self, (String, &'static str)> {
        let mut rule = self.clone();
        if let Some(form) = rule.form {
            match form.fit(column) {
                Fit::Always => rule.form = None,
                Fit::Perhaps => {}
                Fit::Never => return Err((column.info.kind.clone(), form.name())),
            }
        }
        Ok(rule)
    }

    /// Looks at a value's text, or at NULL. The error names the rule and never the value: it gets
    /// into logs.
    pub(crate) fn check(&self, text: Option<&[u8]>) -> Result<(), Bad> {
        let Some(text) = text else {
            return if self.not_null { Err("is NULL".to_owned()) } else { Ok(()) };
        };
        if let Some(form) = self.form.filter(|form| !form.fits(text)) {
            return Err(format!("is no {}", form.name()));
        }
        if self.one_of.as_ref().is_some_and(|values| !values.has(text)) {
            return Err("is not in its enum".to_owned());
        }
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            return Err(format!("does not match its pattern {pattern}"));
        }
        self.bounds.iter().try_for_each(|bound| bound.check(text))
    }
}
