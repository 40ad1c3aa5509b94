//! Defines passwords and their hashes: bcrypt on a pool of threads of its own, never on one that serves
//! requests.
//!
//! One bcrypt costs a quarter of a second on purpose. On a worker it would stall everyone, so it runs on
//! threads of the lowest priority, behind a bounded queue that is fair between clients.

mod fitness;
mod foreign;
mod queue;
#[cfg(test)]
mod tests;
mod verify;

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bcrypt::BcryptError;
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::Rules;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use thread_priority::{ThreadPriority, set_current_thread_priority};
use tokio::sync::oneshot;
use unicode_normalization::char::is_public_assigned;

pub use self::fitness::UnfitPassword;
use self::fitness::is_common;
pub use self::foreign::{ForeignHash, ForeignHashError, Maker};
pub use self::queue::Client;
use self::queue::Queue;
pub use self::verify::Verdict;
use self::verify::verify;

/// A password as a person types it. `Debug` does not show it.
///
/// Keyboards and systems differ in how they encode one and the same text: `é` is one code point or two, and
/// a space may be a no-break space. So the mapping of spaces and the normalization of the OpaqueString
/// profile (RFC 8265, section 4.2.2) are applied before a password is hashed, and all its spellings are one
/// password. Case and width count. The characters that the profile excludes, such as tabs, are allowed.
///
/// A password with code points that Unicode has not assigned yet, or leaves to private use, is hashed as it
/// was typed: how such text is normalized may change with the next version of Unicode.
///
/// ```
/// use tokenpair_store::password::Password;
///
/// let password = Password::new("pässword ".to_owned());
/// assert_eq!(password.chars(), 9); // not bytes, and nothing is trimmed
/// assert!(!format!("{password:?}").contains("pässword"));
/// ```
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// The longest password: four times what NIST SP 800-63B-4 asks for and more, and short enough that its JSON fits a
    /// request's body however it is escaped.
    pub const MAX_CHARS: usize = 1024;

    /// Takes a password as it was typed. Nothing is trimmed, folded or cut.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Returns its length in characters, as it was typed.
    pub fn chars(&self) -> usize {
        self.0.expose_secret().chars().count()
    }

    /// Returns whether it has more than [`Password::MAX_CHARS`]: nobody has such a password, and nothing is
    /// hashed for it.
    pub fn is_too_long(&self) -> bool {
        self.chars() > Self::MAX_CHARS
    }

    /// Returns the spelling that is hashed.
    fn prepared(&self) -> SecretString {
        let typed = self.0.expose_secret();
        if !typed.chars().all(is_public_assigned) {
            return self.0.clone();
        }
        // RFC 8265, section 4.2.2, rules 2 and 4; the others change nothing.
        let profile = OpaqueString::new();
        let spaced = profile.additional_mapping_rule(typed);
        let prepared = spaced.and_then(|text| profile.normalization_rule(text));
        prepared.map_or_else(|_| self.0.clone(), |text| text.into_owned().into())
    }
}

/// Returns what bcrypt gets for a spelling. It reads 72 bytes and ends nothing at NUL, so a longer text or
/// one with a NUL goes through HMAC-SHA-384 first: 48 bytes, as 64 characters of base64. The key only
/// separates these digests from any other service's, so that a leaked plain SHA-384 is not a password here.
fn for_bcrypt(spelling: &SecretString) -> SecretString {
    let text = spelling.expose_secret();
    if text.len() <= BCRYPT_MAX && !text.contains('\0') {
        return spelling.clone();
    }
    let key = hmac::Key::new(hmac::HMAC_SHA384, b"tokenpair password v1");
    STANDARD.encode(hmac::sign(&key, text.as_bytes())).into()
}

/// bcrypt reads 72 bytes, the NUL at the end among them.
const BCRYPT_MAX: usize = 71;

/// What a password is verified against: a bcrypt hash of ours, `$2b$...`, or until the next login what an import brought
/// ([`ForeignHash`]). `Debug` does not show it.
///
/// ```
/// use tokenpair_store::password::PasswordHash;
///
/// let hash = PasswordHash::from_text("$2b$12$...".to_owned());
/// assert_eq!(hash.expose(), "$2b$12$...");
/// assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// As a store kept it.
    pub const fn from_text(text: String) -> Self {
        Self(text)
    }

    /// For a store to keep.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// How passwords are hashed.
///
/// ```
/// use tokenpair_store::password::{Password, PasswordPolicy, Passwords};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert!(PasswordPolicy::COSTS.contains(&10));
/// let passwords = Passwords::start(PasswordPolicy { cost: 10, ..PasswordPolicy::default() })?;
/// let hash = passwords.hash(Password::new("correct horse".to_owned())).await?;
/// assert!(hash.expose().starts_with("$2b$10$"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PasswordPolicy {
    /// bcrypt's cost (`PASSWORD_BCRYPT_COST`, 12): each step doubles the time.
    pub cost: u32,
    /// The number of passwords that may wait for a thread (`PASSWORD_QUEUE`). Past it the [`Client`] with
    /// the most loses its newest, which is [`PasswordError::Busy`]. Default: 64.
    pub queue: usize,
    /// The shortest password that one may choose, in characters (`PASSWORD_MIN_LENGTH`, 8; OWASP ASVS 5.0, 6.2.1).
    pub min_chars: usize,
}

impl PasswordPolicy {
    /// The shortest lengths accepted: 8 is the least, and 64 characters must be allowed (OWASP ASVS 5.0, 6.2.9).
    pub const MIN_CHARS: std::ops::RangeInclusive<usize> = 8..=64;

    /// The costs accepted: less than 10 is too cheap to steal (OWASP), more than 16 takes seconds.
    pub const COSTS: std::ops::RangeInclusive<u32> = 10..=16;
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            cost: 12,
            queue: 64,
            min_chars: 8,
        }
    }
}

/// How long a password may wait for a thread. Past it its client is asked to come back, and nothing is hashed for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// The time after which a refused request is answered, at the earliest. If it were answered at once, clients
/// that retry at once would keep the cores busy with refusals, which come before hashing since that has the
/// lowest priority.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Why a password was not hashed or verified.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// Too many wait, or this one waited too long; the same request may be sent again.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// bcrypt refused.
    #[error("bcrypt failed")]
    Bcrypt(#[from] BcryptError),
    /// It is no password to have.
    #[error(transparent)]
    Unfit(#[from] UnfitPassword),
    /// What the store kept is none of the hashes known here.
    #[error("a stored hash cannot be verified")]
    Foreign(#[from] ForeignHashError),
}

/// The pool of hashing threads. Clones share it.
///
/// As many passwords are hashed at once as there are cores, and up to twice as many if they are for
/// different [`Client`]s: one that has nothing under way starts at once while another fills the cores. The
/// queue before the threads is fair between clients; see [`Passwords::on_behalf_of`].
///
/// ```
/// use tokenpair_store::password::{Password, PasswordPolicy, Passwords, Verdict};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let policy = PasswordPolicy { cost: 10, ..PasswordPolicy::default() };
/// let passwords = Passwords::start(policy)?;
/// let typed = |text: &str| Password::new(text.to_owned());
/// let hash = passwords.hash(typed("correct horse")).await?;
/// assert_eq!(passwords.verify(typed("correct horse"), Some(hash.clone())).await?, Verdict::Right);
/// assert_eq!(passwords.verify(typed("battery staple"), Some(hash)).await?, Verdict::Wrong);
/// // No such user, which takes as long.
/// assert_eq!(passwords.verify(typed("correct horse"), None).await?, Verdict::Wrong);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Passwords {
    threads: Arc<Threads>,
    client: Client,
    policy: PasswordPolicy,
}

/// The threads' queue, which is closed when the last handle is dropped.
struct Threads(Arc<Queue>);

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Threads(..)")
    }
}

impl Passwords {
    /// Starts the threads; they end when the last clone is dropped.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread.
    pub fn start(policy: PasswordPolicy) -> std::io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let queue = Arc::new(Queue::new(policy.queue, cores));
        let threads = Threads(Arc::clone(&queue));
        for number in 0..Queue::threads(cores) {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(&queue))?;
        }
        Ok(Self {
            threads: Arc::new(threads),
            client: Client::default(),
            policy,
        })
    }

    /// Returns the same pool, which counts what it is given as the client's. However much one client asks
    /// for, another's password is hashed in its turn, and is refused only if as many clients as the queue
    /// has places ask at once.
    #[must_use]
    pub fn on_behalf_of(&self, client: Client) -> Self {
        Self {
            client,
            ..self.clone()
        }
    }

    /// The policy obeyed.
    pub const fn policy(&self) -> &PasswordPolicy {
        &self.policy
    }

    /// Hashes with a new salt.
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, PasswordError> {
        let cost = self.policy.cost;
        self.run(move || hash_at_cost(&password, cost)).await?
    }

    /// Hashes a password that someone wants to have, unless it is one of the 100,000 that most people have. Ask
    /// [`PasswordPolicy::check`] before.
    ///
    /// ```
    /// use tokenpair_store::password::{Password, PasswordError, PasswordPolicy, Passwords, UnfitPassword};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let policy = PasswordPolicy { cost: 10, ..PasswordPolicy::default() };
    /// let passwords = Passwords::start(policy)?;
    /// let wanted = Password::new("Football".to_owned());
    /// passwords.policy().check(&wanted, &["ada"])?;
    /// let refused = passwords.hash_new(wanted).await;
    /// assert!(matches!(refused, Err(PasswordError::Unfit(UnfitPassword::TooCommon))));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub async fn hash_new(&self, password: Password) -> Result<PasswordHash, PasswordError> {
        let cost = self.policy.cost;
        let hash = move || match is_common(&password) {
            true => Err(UnfitPassword::TooCommon.into()),
            false => hash_at_cost(&password, cost),
        };
        self.run(hash).await?
    }

    /// Verifies a password against a hash. Without a hash (there is no such user) the verdict is
    /// [`Verdict::Wrong`], after the same work.
    ///
    /// The work is that of the policy's cost, once, or twice for a password that was typed in another
    /// spelling than the usual one. A hash that is dearer than the policy takes its own time.
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Verdict, PasswordError> {
        let cost = self.policy.cost;
        self.run(move || verify(&password, hash.as_ref(), cost))
            .await?
    }

    /// Hashes what can wait. It gives way to everyone who waits for a thread.
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub async fn hash_at_leisure(&self, password: Password) -> Result<PasswordHash, PasswordError> {
        if self.threads.0.is_empty() {
            self.hash(password).await
        } else {
            Err(PasswordError::Busy)
        }
    }

    /// Runs on the pool. A request whose client has gone by then, or that waited too long, is not worked on.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let (answer, wait) = oneshot::channel();
        let queued = Instant::now();
        let job = Box::new(move || {
            if !answer.is_closed() && queued.elapsed() < PATIENCE {
                let _client_gone = answer.send(work());
            }
        });
        self.threads.0.push(&self.client, job);
        if let Ok(done) = wait.await {
            return Ok(done);
        }
        tokio::time::sleep(BACK_OFF.saturating_sub(queued.elapsed())).await;
        Err(PasswordError::Busy)
    }
}

fn hash_at_cost(password: &Password, cost: u32) -> Result<PasswordHash, PasswordError> {
    let text = for_bcrypt(&password.prepared());
    let hash = bcrypt::non_truncating_hash(text.expose_secret(), cost)?;
    Ok(PasswordHash(hash))
}

fn work(queue: &Queue) {
    if let Err(error) = set_current_thread_priority(ThreadPriority::Min) {
        log::warn!("password threads run at normal priority: {error:?}");
    }
    queue.work();
}
