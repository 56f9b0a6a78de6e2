use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use super::{Account, Exchange, Key, ROUNDS, signed, value};

/// A client that knows the password.
fn prove(
    password: &str,
    bare: &str,
    answer: &str,
    change: impl FnOnce(String) -> String,
) -> String {
    let salt = BASE64_STANDARD.decode(value(answer, "s").unwrap()).unwrap();
    let mut salted = Key::default();
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, ROUNDS, &mut salted);
    let key = signed(&salted, b"Client Key");
    let unproven = change(format!("c=biws,r={}", value(answer, "r").unwrap()));
    let said = format!("{bare},{answer},{unproven}");
    let mask = signed(&Sha256::digest(key).into(), said.as_bytes());
    let proof: Vec<u8> = key.iter().zip(mask).map(|(key, mask)| key ^ mask).collect();
    format!("{unproven},p={}", BASE64_STANDARD.encode(proof))
}

fn login(password: &str, change: impl FnOnce(String) -> String) -> Option<(String, String)> {
    let accounts = [Account::new("other", "x"), Account::new("a,b=c", "secret")];
    let bare = "n=a=2Cb=3Dc,r=abc";
    let (exchange, answer) = Exchange::start(&accounts, &format!("n,,{bare}")).unwrap();
    exchange.finish(&prove(password, bare, &answer, change))
}

#[test]
fn who_knows_the_password_is_let_in() {
    let (answer, user) = login("secret", |unproven| unproven).unwrap();
    assert_eq!(user, "a,b=c");
    assert_eq!(BASE64_STANDARD.decode(&answer["v=".len()..]).unwrap().len(), 32);
}

#[test]
fn who_does_not_know_it_is_not() {
    assert!(login("Secret", |unproven| unproven).is_none());
}

#[test]
fn the_nonce_has_to_be_this_exchanges() {
    assert!(login("secret", |unproven| format!("{unproven}x")).is_none());
}

#[test]
fn channel_binding_is_not_taken() {
    assert!(login("secret", |unproven| unproven.replace("c=biws", "c=cD10")).is_none());
}

#[test]
fn a_user_who_is_not_known_gets_no_further() {
    let accounts = [Account::new("ann", "x")];
    assert!(Exchange::start(&accounts, "n,,n=bob,r=abc").is_none());
    assert!(Exchange::start(&accounts, "p=tls-unique,,n=ann,r=abc").is_none());
    assert!(Exchange::start(&accounts, "n,,n=ann").is_none());
}
