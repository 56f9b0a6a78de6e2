//! How TLS is used with MongoDB: by fields, and by options of the connection string.

use super::fields::Fields;
use super::uri::MongoUri;
use super::{SslMode, wrong};
use crate::error::Result;

/// The modes that MongoDB's driver and programs have a counterpart for; the usual one first.
const MODES: [SslMode; 3] = [SslMode::VerifyFull, SslMode::Require, SslMode::Disable];

const ON: &[SslMode] = &[SslMode::VerifyFull, SslMode::Require];
const OFF: &[SslMode] = &[SslMode::Disable];
const UNCHECKED: &[SslMode] = &[SslMode::Require];
const CHECKED: &[SslMode] = &[SslMode::VerifyFull];

/// What a field or an option says, and the modes that fit it.
struct Wish {
    said: String,
    modes: &'static [SslMode],
}

/// The strictest mode that fits all that is said; verify-full where nothing is. The error names
/// two that do not fit each other.
pub(super) fn mode(fields: &Fields, uri: &MongoUri) -> Result<SslMode> {
    let mut wishes = Vec::new();
    for name in ["sslmode", "tls", "ssl"] {
        wishes.extend(of_field(fields, name)?);
    }
    for name in ["tls", "ssl", "tlsInsecure"] {
        wishes.extend(of_option(uri, name)?);
    }
    let fits = |wish: &Wish, mode| wish.modes.contains(&mode);
    for (number, one) in wishes.iter().enumerate() {
        for other in &wishes[..number] {
            if !MODES.into_iter().any(|mode| fits(one, mode) && fits(other, mode)) {
                return Err(wrong(
                    format!("the secret says {} and {}", other.said, one.said),
                    "Remove one of them",
                ));
            }
        }
    }
    let mode = MODES.into_iter().find(|mode| wishes.iter().all(|wish| fits(wish, *mode)));
    Ok(mode.unwrap_or_default())
}

/// A mode, or whether there is TLS.
fn of_field(fields: &Fields, name: &str) -> Result<Option<Wish>> {
    let Some(value) = fields.text_or_truth(name)? else { return Ok(None) };
    let modes = match value.as_str() {
        "true" if name != "sslmode" => ON,
        "false" if name != "sslmode" => OFF,
        "disable" => OFF,
        "require" => UNCHECKED,
        "verify-full" => CHECKED,
        _ => {
            return Err(wrong(
                format!("the secret's field {name} is {value:?}, which the engine mongodb has not"),
                "Use disable, require or verify-full; the fields ssl and tls may be true or \
                 false too",
            ));
        }
    };
    Ok(Some(Wish { said: format!("{name} = {value}"), modes }))
}

fn of_option(uri: &MongoUri, name: &str) -> Result<Option<Wish>> {
    let modes = match (name, uri.option(name)) {
        (_, None) => return Ok(None),
        ("tlsInsecure", Some("true")) => UNCHECKED,
        // No check is left out: it says nothing of whether there is TLS.
        ("tlsInsecure", Some("false")) => &[SslMode::VerifyFull, SslMode::Disable],
        (_, Some("true")) => ON,
        (_, Some("false")) => OFF,
        (_, Some(_)) => {
            return Err(wrong(
                format!("the secret's field uri has an option {name} that is no truth value"),
                "Use true or false",
            ));
        }
    };
    let value = uri.option(name).unwrap_or_default();
    Ok(Some(Wish { said: format!("{name}={value} in its uri"), modes }))
}
