//! Implements [`Passwords`]: bcrypt on its own threads, behind a bounded queue.

#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use thread_priority::{ThreadPriority, set_current_thread_priority};
use tokio::sync::oneshot;

use super::error::PasswordError;
use super::hash::PasswordHash;
use super::plaintext::{Password, for_bcrypt};
use super::policy::PasswordPolicy;
use super::queue::{HashingClient, Queue};
use super::verify::{Verdict, verify};
use crate::observer::{HashingUse, StoreObserver};

/// How long a password may wait for a thread. Past it the client must retry, and the password is
/// not hashed.
const PATIENCE: Duration = Duration::from_secs(3);

/// The minimum delay of a rejection. Without it, clients that retry at once would keep the cores
/// busy with rejections, which run before hashing because that has the lowest priority.
const BACK_OFF: Duration = Duration::from_secs(1);

/// The pool of hashing threads. Clones share it.
///
/// As many passwords are hashed at once as there are cores, and up to twice as many if they are for
/// different [`HashingClient`]s: a client without running jobs starts at once while another fills the
/// cores. The queue before the threads is fair between clients; see [`Passwords::on_behalf_of`].
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
/// // An unknown user takes as long.
/// assert_eq!(passwords.verify(typed("correct horse"), None).await?, Verdict::Wrong);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Passwords {
    threads: Arc<Threads>,
    client: HashingClient,
    policy: PasswordPolicy,
    observer: Option<Arc<dyn StoreObserver>>,
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
    /// Returns an error if the operating system cannot start a thread.
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
            client: HashingClient::default(),
            policy,
            observer: None,
        })
    }

    /// Returns the same pool, with its jobs counted for this client. However many jobs one client
    /// sends, another's password is hashed in its turn, and is rejected only if as many clients as
    /// the queue has places send jobs at once.
    #[must_use]
    pub fn on_behalf_of(&self, client: HashingClient) -> Self {
        Self {
            client,
            ..self.clone()
        }
    }

    /// Returns the same pool, of which `observer` learns what this handle and its clones do.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn StoreObserver>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Returns the use of the pool now.
    pub fn usage(&self) -> HashingUse {
        let (waiting, running) = self.threads.0.load();
        HashingUse {
            waiting,
            capacity: self.policy.queue,
            running,
        }
    }

    /// Returns the policy.
    pub const fn policy(&self) -> &PasswordPolicy {
        &self.policy
    }

    /// Hashes with a new salt.
    ///
    /// # Errors
    ///
    /// Returns a [`PasswordError`] if the queue is full or bcrypt fails.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, PasswordError> {
        let cost = self.policy.cost;
        self.run(move || hash_at_cost(&password, cost)).await?
    }

    /// Verifies a password against a hash. Without a hash (there is no such user), the verdict is
    /// [`Verdict::Wrong`], after the same work.
    ///
    /// The work is that of the policy's cost, once, or twice for a password that was typed in
    /// another spelling than the usual one. A hash that is more expensive than the policy takes its
    /// own time.
    ///
    /// # Errors
    ///
    /// Returns a [`PasswordError`] if the queue is full or the hash cannot be verified.
    pub async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Verdict, PasswordError> {
        let cost = self.policy.cost;
        self.run(move || verify(&password, hash.as_ref(), cost))
            .await?
    }

    /// Hashes a password that can wait. It yields to every other job that waits for a thread.
    ///
    /// # Errors
    ///
    /// Returns a [`PasswordError`] if the queue is full or bcrypt fails.
    pub async fn hash_at_leisure(&self, password: Password) -> Result<PasswordHash, PasswordError> {
        if self.threads.0.is_empty() {
            self.hash(password).await
        } else {
            Err(PasswordError::Busy)
        }
    }

    /// Runs on the pool. A job whose client has disconnected, or that waited too long, is dropped.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let (answer, wait) = oneshot::channel();
        let queued = Instant::now();
        let observer = self.observer.clone();
        let job = Box::new(move || {
            let waited = queued.elapsed();
            if !answer.is_closed() && waited < PATIENCE {
                if let Some(observer) = observer {
                    observer.waited_for_hashing(waited);
                }
                let _client_gone = answer.send(work());
            }
        });
        self.threads.0.push(&self.client, job);
        if let Ok(done) = wait.await {
            return Ok(done);
        }
        if let Some(observer) = &self.observer {
            observer.hashing_refused();
        }
        tokio::time::sleep(BACK_OFF.saturating_sub(queued.elapsed())).await;
        Err(PasswordError::Busy)
    }
}

fn hash_at_cost(password: &Password, cost: u32) -> Result<PasswordHash, PasswordError> {
    let text = for_bcrypt(&password.prepared());
    let hash = bcrypt::non_truncating_hash(text.expose_secret(), cost)?;
    Ok(PasswordHash::from_text(hash))
}

fn work(queue: &Queue) {
    if let Err(error) = set_current_thread_priority(ThreadPriority::Min) {
        log::warn!("password threads run at normal priority: {error:?}");
    }
    queue.work();
}
