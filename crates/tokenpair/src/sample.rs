//! Defines the keys, the user and the handles that the examples of this documentation begin with.
//! No part of the public API: its secret is public, so nothing that it signs is safe.

use crate::clock::Clock;
use crate::keys::{Algorithm, KeyError, KeyRing};
use crate::session::{MemoryStore, SessionPolicy, Sessions, Subject};
use crate::token::{TokenPolicy, Tokens};
use crate::web::{Auth, WebPolicy};

/// Returns a ring with one secret.
///
/// # Errors
///
/// Returns none, but examples cannot know.
pub fn keys() -> Result<KeyRing, KeyError> {
    KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")
}

/// Returns tokens under the default policy.
///
/// # Errors
///
/// Returns those of [`keys`].
pub fn tokens() -> Result<Tokens, KeyError> {
    Ok(Tokens::new(keys()?, TokenPolicy::default()))
}

/// Returns a handle without a record of sessions.
///
/// # Errors
///
/// Returns those of [`keys`].
pub fn auth() -> Result<Auth, KeyError> {
    Ok(Auth::builder(tokens()?).build())
}

/// Returns a user that [`sessions`] knows.
pub fn ada() -> Subject {
    Subject::new("1", "ada")
}

/// Returns a record of sessions in memory, with the user [`ada`].
///
/// # Errors
///
/// Returns those of [`keys`].
pub fn sessions() -> Result<Sessions, KeyError> {
    sessions_in(&user().1)
}

/// Returns a user, and a store that knows it.
pub fn user() -> (Subject, MemoryStore) {
    let store = MemoryStore::default();
    store.put_subject(ada());
    (ada(), store)
}

/// Returns a record of sessions in this store.
///
/// # Errors
///
/// Returns those of [`keys`].
pub fn sessions_in(store: &MemoryStore) -> Result<Sessions, KeyError> {
    let tokens = tokens()?;
    Ok(Sessions::new(
        store.clone(),
        tokens,
        SessionPolicy::default(),
    ))
}

/// Runs an example to its end.
#[expect(
    clippy::expect_used,
    reason = "an example that fails must fail its test"
)]
pub fn run(example: impl Future<Output = Result<(), Box<dyn std::error::Error>>>) {
    let ran = actix_web::rt::System::new().block_on(example);
    ran.expect("the example works");
}

/// Returns a handle with a record of sessions, with the user [`ada`].
///
/// # Errors
///
/// Returns those of [`keys`].
pub fn recorded_auth() -> Result<Auth, KeyError> {
    Ok(Auth::new(
        sessions()?,
        WebPolicy::default(),
        Clock::system(),
    ))
}
