//! Access to a database by a secret that the test holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::ports::DatabaseAccess;
use crate::secret::SecretValue;

/// Gives the secret it was made with, until it is rotated. Clones share it.
#[derive(Debug, Clone)]
pub struct FixedAccess(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    secret: SecretValue,
    asked: u32,
}

impl FixedAccess {
    /// Access by this secret.
    #[must_use]
    pub fn new(secret: SecretValue) -> Self {
        Self(Arc::new(Mutex::new(State { secret, asked: 0 })))
    }

    /// Another secret from now on.
    pub fn rotate(&self, secret: SecretValue) {
        self.state().secret = secret;
    }

    /// How often the secret was asked for.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.state().asked
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DatabaseAccess for FixedAccess {
    async fn secret(&self) -> Result<SecretValue> {
        let mut state = self.state();
        state.asked += 1;
        Ok(state.secret.clone())
    }
}
