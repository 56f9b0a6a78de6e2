//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The fewest rounds that clients accept.
const ROUNDS: u32 = 4096;

type Key = [u8; 32];

/// What a server keeps of a user: not the password.
pub(super) struct Account {
    name: String,
    salt: [u8; 16],
    stored: Key,
    server: Key,
}

impl Account {
    /// The password is taken as it is: it should be of ASCII, which no preparation changes.
    pub(super) fn new(name: &str, password: &str) -> Self {
        let salt = Uuid::new_v4().into_bytes();
        let mut salted = Key::default();
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, ROUNDS, &mut salted);
        let stored = Sha256::digest(signed(&salted, b"Client Key")).into();
        Self { name: name.to_owned(), salt, stored, server: signed(&salted, b"Server Key") }
    }
}

/// A login that waits for the client's proof.
pub(super) struct Exchange {
    user: String,
    stored: Key,
    server: Key,
    nonce: String,
    /// The messages so far, as both sides sign them.
    said: String,
}

impl Exchange {
    /// Takes the client's first message and gives the server's. `None` where there is no such user,
    /// or the message makes no sense.
    pub(super) fn start(accounts: &[Account], first: &str) -> Option<(Self, String)> {
        let bare = first.strip_prefix("n,,")?;
        let name = value(bare, "n")?.replace("=2C", ",").replace("=3D", "=");
        let account = accounts.iter().find(|account| account.name == name)?;
        let nonce = format!("{}{}", value(bare, "r")?, Uuid::new_v4().simple());
        let salt = BASE64_STANDARD.encode(account.salt);
        let answer = format!("r={nonce},s={salt},i={ROUNDS}");
        let said = format!("{bare},{answer}");
        let (user, stored, server) = (name, account.stored, account.server);
        Some((Self { user, stored, server, nonce, said }, answer))
    }

    /// Takes the client's proof and gives the server's, and who the client is. `None` where the
    /// password is another.
    pub(super) fn finish(self, last: &str) -> Option<(String, String)> {
        let (unproven, proof) = last.rsplit_once(",p=")?;
        let proof: Key = BASE64_STANDARD.decode(proof).ok()?.try_into().ok()?;
        let bound = value(unproven, "c")? == BASE64_STANDARD.encode("n,,");
        if !bound || value(unproven, "r")? != self.nonce {
            return None;
        }
        let said = format!("{},{unproven}", self.said);
        let mask = signed(&self.stored, said.as_bytes());
        let key: Vec<u8> = proof.iter().zip(mask).map(|(proof, mask)| proof ^ mask).collect();
        let genuine = Key::from(Sha256::digest(key)) == self.stored;
        let answer = format!("v={}", BASE64_STANDARD.encode(signed(&self.server, said.as_bytes())));
        genuine.then_some((answer, self.user))
    }
}

/// The value of an attribute in a message: `n` in `n=user,r=nonce`.
fn value<'a>(message: &'a str, attribute: &str) -> Option<&'a str> {
    let mut parts = message.split(',').filter_map(|part| part.split_once('='));
    parts.find(|(name, _)| *name == attribute).map(|(_, value)| value)
}

fn signed(key: &Key, message: &[u8]) -> Key {
    // A key is filled up with zeros to the size of a block.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
#[path = "scram_tests.rs"]
mod tests;
