//! Implements the key directory: signing keys that servers share. One key signs, older keys still
//! verify, and a coming key is published before it signs. Running servers watch the folder.
//!
//! ```text
//! ES256-….pem    a private key (PEM, PKCS#8); the name begins with the one algorithm it serves
//! state.toml     signing = "ES256-….pem", coming = "ES256-….pem", and since when
//! ```
//!
//! File names and `state.toml` decide what each key does, so a secret manager can mount a folder as
//! it is. A folder with one key needs no `state.toml`. Each change is one rename, either of a key
//! that `state.toml` does not name yet or of `state.toml` itself, under a lock. So a reader sees
//! the folder before or after a change.

mod change;
mod directory;
pub(crate) mod files;
mod state;

pub use self::change::Rotated;
pub use self::directory::{DirectoryError, Fingerprint, Held, KeyDirectory};
pub use self::state::{Key, KeyState};
