//! Passwords: bcrypt on a bounded pool of threads of its own, never on one that serves requests.
//!
//! One bcrypt costs a quarter of a second on purpose. On a worker it would stall everyone, so it runs on as many
//! threads as there are cores, at the lowest priority, behind a bounded queue; a full queue is an error at once.

mod fitness;
mod foreign;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bcrypt::BcryptError;
use crossbeam_channel::{Receiver, Sender, bounded};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use thread_priority::{ThreadPriority, set_current_thread_priority};
use tokio::sync::oneshot;

pub use self::fitness::UnfitPassword;
use self::fitness::is_common;
pub use self::foreign::{ForeignHash, ForeignHashError, Maker};
use crate::random::random_text;

/// A password as a person types it. `Debug` does not show it.
///
/// ```
/// use tokenpair::password::Password;
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

    /// Nothing is trimmed, folded or cut.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Its length in characters.
    pub fn chars(&self) -> usize {
        self.0.expose_secret().chars().count()
    }

    /// More than [`Password::MAX_CHARS`]: nobody has it, and nothing is hashed for it.
    pub fn is_too_long(&self) -> bool {
        self.chars() > Self::MAX_CHARS
    }

    /// What bcrypt gets. It reads 72 bytes and ends nothing at NUL, so what is longer or has one goes through
    /// HMAC-SHA-384 first: 48 bytes, as 64 characters of base64. The key only separates these digests from any other
    /// service's, so that a leaked plain SHA-384 is not a password here.
    fn for_bcrypt(&self) -> SecretString {
        let text = self.0.expose_secret();
        if text.len() <= BCRYPT_MAX && !text.contains('\0') {
            return self.0.clone();
        }
        let key = hmac::Key::new(hmac::HMAC_SHA384, b"tokenpair password v1");
        STANDARD.encode(hmac::sign(&key, text.as_bytes())).into()
    }
}

/// bcrypt reads 72 bytes, the NUL at the end among them.
const BCRYPT_MAX: usize = 71;

/// What a password is verified against: a bcrypt hash of ours, `$2b$...`, or until the next login what an import brought
/// ([`ForeignHash`]). `Debug` does not show it.
///
/// ```
/// use tokenpair::password::PasswordHash;
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

    /// The cost that stands in it, if it is a bcrypt of whatever origin.
    fn cost(&self) -> Option<u32> {
        self.0.split('$').nth(2)?.parse().ok()
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
/// use tokenpair::password::{Password, PasswordPolicy, Passwords};
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
    /// How many may wait for a thread before the next is refused (`PASSWORD_QUEUE`, 64).
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

/// The pool. Clones share it.
///
/// ```
/// use tokenpair::password::{Password, PasswordPolicy, Passwords};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let policy = PasswordPolicy { cost: 10, ..PasswordPolicy::default() };
/// let passwords = Passwords::start(policy)?;
/// let typed = |text: &str| Password::new(text.to_owned());
/// let hash = passwords.hash(typed("correct horse")).await?;
/// assert!(passwords.verify(typed("correct horse"), Some(hash.clone())).await?);
/// assert!(!passwords.verify(typed("battery staple"), Some(hash)).await?);
/// assert!(!passwords.verify(typed("correct horse"), None).await?); // no such user, as slowly
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Passwords {
    jobs: Sender<Job>,
    policy: PasswordPolicy,
    highest_cost: Arc<AtomicU32>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Passwords {
    /// Starts the threads; they end when the last clone is dropped.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread.
    pub fn start(policy: PasswordPolicy) -> std::io::Result<Self> {
        let (jobs, queue) = bounded::<Job>(policy.queue);
        for number in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let queue = queue.clone();
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(&queue))?;
        }
        Ok(Self {
            jobs,
            policy,
            highest_cost: Arc::new(AtomicU32::new(policy.cost)),
        })
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
    /// use tokenpair::password::{Password, PasswordError, PasswordPolicy, Passwords, UnfitPassword};
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

    /// Whether the password is the hash's. Without a hash (there is no such user) the answer is no, after the same work.
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<bool, PasswordError> {
        let known = hash.is_some();
        let cost = self.highest_cost(hash.as_ref());
        let hash = hash.unwrap_or_else(|| nobodys_hash(cost));
        let verify = move || Ok(verify_at_cost(&password, &hash, cost)? && known);
        self.run(verify).await?
    }

    /// Whether a hash is not as a new one would be: another program's, or of another cost.
    ///
    /// ```
    /// use tokenpair::password::{PasswordHash, PasswordPolicy, Passwords};
    ///
    /// let passwords = Passwords::start(PasswordPolicy::default())?; // of cost 12
    /// let hash = |text: &str| PasswordHash::from_text(text.to_owned());
    /// assert!(!passwords.is_stale(&hash("$2b$12$...")));
    /// assert!(passwords.is_stale(&hash("$2b$10$...")));
    /// assert!(passwords.is_stale(&hash("pbkdf2:sha256:600000$salt$...")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_stale(&self, hash: &PasswordHash) -> bool {
        ForeignHash::stored(hash.expose()).is_some() || hash.cost() != Some(self.policy.cost)
    }

    /// Hashes what can wait. It gives way to everyone who waits for a thread.
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub async fn hash_at_leisure(&self, password: Password) -> Result<PasswordHash, PasswordError> {
        if self.jobs.is_empty() {
            self.hash(password).await
        } else {
            Err(PasswordError::Busy)
        }
    }

    /// The highest cost of the setting and of all hashes seen so far: what every verification costs. After a change of
    /// the setting, who has an old hash could else be told from who has none.
    fn highest_cost(&self, hash: Option<&PasswordHash>) -> u32 {
        let own = hash.and_then(PasswordHash::cost).unwrap_or(0);
        own.max(self.highest_cost.fetch_max(own, Ordering::Relaxed))
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
        self.jobs.try_send(job).map_err(|_| PasswordError::Busy)?;
        wait.await.map_err(|_| PasswordError::Busy)
    }
}

fn hash_at_cost(password: &Password, cost: u32) -> Result<PasswordHash, PasswordError> {
    let hash = bcrypt::non_truncating_hash(password.for_bcrypt().expose_secret(), cost)?;
    Ok(PasswordHash(hash))
}

/// Verifies, and works on until that has cost as much as `cost` asks for: a hash of cost `c`, and then one of `c`,
/// `c + 1`, ... up to `cost - 1`, take together as long as one of `cost`. scrypt and PBKDF2 take their own time.
fn verify_at_cost(
    password: &Password,
    hash: &PasswordHash,
    cost: u32,
) -> Result<bool, PasswordError> {
    let for_bcrypt = password.for_bcrypt();
    let ours = |hash: &PasswordHash| {
        bcrypt::non_truncating_verify(for_bcrypt.expose_secret(), hash.expose())
    };
    let right = match ForeignHash::stored(hash.expose()) {
        Some(foreign) => foreign?.verify(password.0.expose_secret())?,
        None => ours(hash)?,
    };
    for missing in hash.cost().unwrap_or(cost)..cost {
        ours(&nobodys_hash(missing))?;
    }
    Ok(right)
}

fn work(queue: &Receiver<Job>) {
    if let Err(error) = set_current_thread_priority(ThreadPriority::Min) {
        log::warn!("password threads run at normal priority: {error:?}");
    }
    for job in queue {
        job();
    }
}

/// A hash that nobody's password has, of the same cost as everyone's, made without hashing: a random salt and a random
/// digest in bcrypt's alphabet, whose last characters carry fewer bits than the others.
fn nobodys_hash(cost: u32) -> PasswordHash {
    let letters = random_text(64).replace(['-', '_'], "a");
    let (salt, rest) = letters.split_at(21);
    let digest: String = rest.chars().take(30).collect();
    PasswordHash(format!("$2b${cost:02}${salt}.{digest}."))
}
