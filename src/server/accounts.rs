//! Implements accounts: registration and login, for routes and commands.

use std::sync::Arc;

use super::account_error::{AccountError, applied, counted};
use super::device_cookie::Devices;
use super::login_limiter::LoginLimiter;
use super::metrics::{LoginOutcome, Metrics, Throttled};
use super::network;
use super::server_names::server_names;
use crate::config::Settings;
use tokenpair::session::{Authority, Denied, RequestContext, SessionStore, Subject};
use tokenpair_store::password::{
    Password, PasswordError, PasswordHash, Passwords, UnfitPassword, Verdict,
};
use tokenpair_store::{
    Applied, Changed, DieselStore, EventKind, HashingUse, NewUser, Refusal, User, UserChange,
    Username,
};

/// The users of a store, with a pool of hashing threads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    store: DieselStore,
    passwords: Passwords,
    limiter: LoginLimiter,
    names: Arc<[String]>,
    metrics: Option<Arc<Metrics>>,
}

impl Accounts {
    /// Returns the accounts of `store`, under these settings.
    ///
    /// # Errors
    ///
    /// If the operating system starts no threads for hashing.
    pub fn new(settings: &Settings, store: DieselStore) -> std::io::Result<Self> {
        Ok(Self {
            store,
            passwords: Passwords::start(settings.password)?,
            limiter: LoginLimiter::default(),
            names: server_names(settings.public_url.as_ref()).into(),
            metrics: None,
        })
    }

    /// Returns a copy that rate-limits failures. Commands are not rate-limited.
    #[must_use]
    pub(super) fn limited_by(self, limiter: LoginLimiter) -> Self {
        Self { limiter, ..self }
    }

    /// Returns a copy whose attempts, and the work of whose hashing threads, are counted.
    #[must_use]
    pub(super) fn counted_by(self, metrics: Option<Arc<Metrics>>) -> Self {
        let passwords = match metrics.clone() {
            Some(metrics) => self.passwords.observed_by(metrics),
            None => self.passwords,
        };
        Self {
            passwords,
            metrics,
            ..self
        }
    }

    /// Returns the use of the hashing threads now.
    pub(super) fn hashing(&self) -> HashingUse {
        self.passwords.usage()
    }

    /// Creates an account.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn register(
        &self,
        username: &str,
        password: Password,
        roles: Vec<String>,
        context: &RequestContext,
    ) -> Result<Subject, AccountError> {
        let username = Username::parse(username)?;
        self.check(username.key(), &password)?;
        let admitted = self.limiter.registration(context).await;
        counted(
            self.metrics.as_deref(),
            Throttled::Registration,
            admitted.map_err(AccountError::from),
        )?;
        let password_hash = self.passwords(context).hash(password).await?;
        Ok(self
            .store
            .create_user(
                NewUser {
                    username,
                    password_hash,
                    roles,
                },
                context,
            )
            .await?)
    }

    /// Returns the user if the password is right and the user may log in. An unknown or malformed
    /// username and a disabled user cost the same time and get the same result; only the audit
    /// trail distinguishes them. An outdated hash is replaced afterwards, in the background.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if the database or the pool failed, or if the name or the network has too
    /// many failures. The password was then not judged.
    pub(super) async fn authenticate(
        &self,
        username: &str,
        password: Password,
        devices: &Devices,
        context: &RequestContext,
    ) -> Result<Option<Subject>, AccountError> {
        let judged = self.judge(username, password, devices, context).await;
        let outcome = match &judged {
            // The login is not complete.
            Ok(Some(_)) => None,
            Ok(None) => Some(LoginOutcome::BadCredentials),
            Err(AccountError::TooManyAttempts(_)) => Some(LoginOutcome::Throttled),
            Err(_) => Some(LoginOutcome::Failed),
        };
        if let (Some(metrics), Some(outcome)) = (&self.metrics, outcome) {
            metrics.logged_in(outcome);
        }
        counted(self.metrics.as_deref(), Throttled::Login, judged)
    }

    async fn judge(
        &self,
        username: &str,
        password: Password,
        devices: &Devices,
        context: &RequestContext,
    ) -> Result<Option<Subject>, AccountError> {
        let attempt = self.limiter.login(username, devices, context).await?;
        let user = match Username::parse(username) {
            Ok(username) => self.store.user_by_name(&username).await?,
            Err(_) => None,
        };
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let verdict = self.verify(password.clone(), hash.clone(), context).await?;
        let subject = user.map(|user| user.subject);
        let refused = match &subject {
            None => "unknown user",
            Some(_) if !verdict.is_right() => "wrong password",
            Some(subject) if subject.disabled => "user disabled",
            Some(subject) => {
                attempt.succeeded(&self.store, context).await?;
                if let (Verdict::Outdated, Some(stale)) = (verdict, hash) {
                    let renewing = Self {
                        passwords: self.passwords(context),
                        ..self.clone()
                    };
                    actix_web::rt::spawn(renewing.renew(subject.id.clone(), password, stale));
                }
                return Ok(Some(subject.clone()));
            }
        };
        let refusal = Refusal {
            kind: EventKind::LoginFailed,
            user_id: subject.map(|subject| subject.id),
            detail: refused,
        };
        attempt.failed(&self.store, refusal, context).await?;
        Ok(None)
    }

    /// Returns the device cookie for a browser that has just logged in by that name. `None` if
    /// failures are not counted.
    pub(super) fn device_cookie(
        &self,
        username: &str,
        devices: &Devices,
        context: &RequestContext,
    ) -> Option<String> {
        self.limiter.device_cookie(username, devices, context)
    }

    /// Replaces a stale hash. No request waits for it, and if it fails, the next login retries.
    async fn renew(self, user_id: String, password: Password, stale: PasswordHash) {
        let renewed = async {
            let new = self.passwords.hash_at_leisure(password).await?;
            let replaced = self.store.replace_hash(&user_id, &stale, &new).await;
            replaced.map_err(AccountError::from)
        };
        match renewed.await {
            Ok(()) => log::debug!("rehashed the password of user {user_id}"),
            Err(error) => log::info!("user {user_id} keeps an old password hash: {error}"),
        }
    }

    /// Changes a user's password, given the current one. Ends all sessions of the user except
    /// `sid`.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn change_password(
        &self,
        user_id: &str,
        sid: &str,
        passwords: PasswordChange,
        context: &RequestContext,
    ) -> Result<Applied, AccountError> {
        let PasswordChange { current, new } = passwords;
        self.store.check(context).await??;
        let user = self.store.user_by_id(user_id).await?;
        let name = user.as_ref().map(|user| user.subject.username.as_str());
        self.check(name.unwrap_or_default(), &new)?;
        let login = CurrentLogin {
            user_id,
            sid: Some(sid),
        };
        let confirmed = self.confirm(login, user, current, context).await?;
        let hash = self.passwords(context).hash(new).await?;
        let keep = Some(sid.to_owned());
        let change = UserChange::Password { hash, keep };
        let changed = self.store.change_user(user_id, change, &confirmed.context);
        self.settle(changed.await?, &confirmed).await
    }

    /// Deletes a user, given the password.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn delete(
        &self,
        user_id: &str,
        sid: Option<&str>,
        password: Password,
        context: &RequestContext,
    ) -> Result<Applied, AccountError> {
        self.store.check(context).await??;
        let user = self.store.user_by_id(user_id).await?;
        let login = CurrentLogin { user_id, sid };
        let confirmed = self.confirm(login, user, password, context).await?;
        let deleted = self.store.delete_user(user_id, &confirmed.context);
        self.settle(deleted.await?, &confirmed).await
    }

    /// Verifies the password that a logged-in user confirms.
    async fn confirm(
        &self,
        login: CurrentLogin<'_>,
        user: Option<User>,
        password: Password,
        context: &RequestContext,
    ) -> Result<Confirmed, AccountError> {
        let judged = self.judge_current(login, user, password, context).await;
        counted(self.metrics.as_deref(), Throttled::Confirmation, judged)
    }

    async fn judge_current(
        &self,
        login: CurrentLogin<'_>,
        user: Option<User>,
        password: Password,
        context: &RequestContext,
    ) -> Result<Confirmed, AccountError> {
        let CurrentLogin { user_id, sid } = login;
        let attempt = self.limiter.confirmation(user_id, sid, context).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let verdict = self.verify(password, hash, context).await?;
        if let Some(user) = user.filter(|_| verdict.is_right()) {
            attempt.succeeded(&self.store, context).await?;
            return Ok(Confirmed::new(user, context));
        }
        let refusal = Refusal {
            kind: EventKind::ConfirmationFailed,
            user_id: Some(user_id.to_owned()),
            detail: "wrong password",
        };
        attempt.failed(&self.store, refusal, context).await?;
        Err(AccountError::WrongPassword)
    }

    /// Returns the result of a change that a password confirmed. Of two concurrent changes the
    /// first wins. If it changed the password, the password confirmed here is now wrong.
    async fn settle(
        &self,
        changed: Changed,
        confirmed: &Confirmed,
    ) -> Result<Applied, AccountError> {
        if changed == Changed::Denied(Denied::TokenRevoked) {
            let user = &confirmed.user;
            let now = self.store.user_by_id(&user.subject.id).await?;
            if now.is_some_and(|now| now.password_hash != user.password_hash) {
                return Err(AccountError::WrongPassword);
            }
        }
        applied(changed)
    }

    /// Verifies a password. A password that is too long is wrong for any user, so it is not hashed.
    async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        context: &RequestContext,
    ) -> Result<Verdict, PasswordError> {
        if password.is_too_long() {
            return Ok(Verdict::Wrong);
        }
        self.passwords(context).verify(password, hash).await
    }

    /// Returns the hashing threads, which are shared fairly between the networks that requests come
    /// from.
    fn passwords(&self, context: &RequestContext) -> Passwords {
        self.passwords.on_behalf_of(network::client(context))
    }

    /// Checks a password of the user of that name against the policy.
    pub(crate) fn check(&self, username: &str, password: &Password) -> Result<(), UnfitPassword> {
        let words: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let context = [words.as_slice(), &[username]].concat();
        self.passwords.policy().check(password, &context)
    }

    /// Hashes a password that the user of that name wants to have.
    ///
    /// # Errors
    ///
    /// [`AccountError::Unfit`], or an error of the pool.
    pub async fn hash(
        &self,
        username: &str,
        password: Password,
    ) -> Result<PasswordHash, AccountError> {
        self.check(username, &password)?;
        Ok(self.passwords.hash(password).await?)
    }
}

/// A change of a password by its owner.
#[derive(Debug)]
pub struct PasswordChange {
    /// The password that the user typed as the current one.
    pub current: Password,
    /// The password that the user wants.
    pub new: Password,
}

/// The login that a request came with. A token of another issuer has no session.
#[derive(Clone, Copy)]
struct CurrentLogin<'a> {
    user_id: &'a str,
    sid: Option<&'a str>,
}

/// A user whose password was verified, as stored at that time.
struct Confirmed {
    user: User,
    context: RequestContext,
}

impl Confirmed {
    /// Sets the epoch of the user whose password was verified. A token of another server has no
    /// epoch.
    fn new(user: User, context: &RequestContext) -> Self {
        let mut context = context.clone();
        let authority = context.authority.get_or_insert_with(|| Authority {
            user_id: user.subject.id.clone(),
            sid: None,
            epoch: None,
            role: None,
        });
        authority.epoch.get_or_insert(user.subject.epoch);
        Self { user, context }
    }
}
