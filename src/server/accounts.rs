//! Accounts: register and authenticate, for the routes and for the commands.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use url::Url;

use super::device_cookie::Devices;
use super::throttle::Throttle;
use crate::password::{Password, PasswordError, PasswordHash, Passwords, UnfitPassword};
use crate::session::{Act, Revocation, StoreError, Subject};
use crate::settings::Settings;
use crate::store::{
    Changed, DieselStore, EventKind, NewUser, Refusal, User, UserChange, UserError, Username,
    UsernameError,
};

/// Users over a store and a pool of hashing threads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    store: DieselStore,
    passwords: Passwords,
    throttle: Throttle,
    names: Arc<[String]>,
}

/// Why an account was not made or not looked into.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The name has no good form.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// The password is not fit to be one.
    #[error(transparent)]
    Unfit(#[from] UnfitPassword),
    /// Someone has that name.
    #[error("the username is taken")]
    Taken,
    /// The password is not the user's.
    #[error("the password is wrong")]
    WrongPassword,
    /// Too many failures before; the next attempt may be made after so long.
    #[error("too many attempts; try again in {} s", .0.as_secs())]
    TooManyAttempts(Duration),
    /// Without this user nobody could manage the others.
    #[error("without the last admin nobody could manage the others")]
    LastAdmin,
    /// The hashing pool failed.
    #[error(transparent)]
    Password(PasswordError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TryFrom<Changed> for Revocation {
    type Error = AccountError;

    fn try_from(changed: Changed) -> Result<Self, AccountError> {
        match changed {
            Changed::Done(revocation) => Ok(revocation),
            Changed::LastAdmin => Err(AccountError::LastAdmin),
        }
    }
}

impl From<PasswordError> for AccountError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Unfit(unfit) => Self::Unfit(unfit),
            error => Self::Password(error),
        }
    }
}

impl From<UserError> for AccountError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Taken => Self::Taken,
            UserError::Store(error) => Self::Store(error),
        }
    }
}

impl Accounts {
    /// Accounts over `store`, under these settings.
    ///
    /// # Errors
    ///
    /// If the operating system gives no threads to hash on.
    pub fn new(settings: &Settings, store: DieselStore) -> std::io::Result<Self> {
        Ok(Self {
            store,
            passwords: Passwords::start(settings.password)?,
            throttle: Throttle::default(),
            names: server_names(settings.public_url.as_ref()).into(),
        })
    }

    /// The same, counting failures. Commands need no patience.
    #[must_use]
    pub(super) fn throttled(self, throttle: Throttle) -> Self {
        Self { throttle, ..self }
    }

    /// Makes an account.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn register(
        &self,
        username: &str,
        password: Password,
        roles: Vec<String>,
        act: &Act,
    ) -> Result<Subject, AccountError> {
        let username = Username::parse(username)?;
        self.check(username.key(), &password)?;
        self.throttle.registration(act).await?;
        let password_hash = self.passwords.hash_new(password).await?;
        Ok(self
            .store
            .create_user(
                NewUser {
                    username,
                    password_hash,
                    roles,
                },
                act,
            )
            .await?)
    }

    /// The user, if the password is its own and it may log in. A name that nobody has, or that nobody could have, and
    /// a disabled user cost the same time and get the same answer; only the audit trail tells them apart. A hash that is
    /// not as a new one would be is renewed afterwards, in the background.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if the database or the pool failed, or there were too many failures before, of that name or from
    /// that network; that is no answer.
    pub(super) async fn authenticate(
        &self,
        username: &str,
        password: Password,
        (devices, act): (&Devices, &Act),
    ) -> Result<Option<Subject>, AccountError> {
        let attempt = self.throttle.login(username, devices, act).await?;
        let user = match Username::parse(username) {
            Ok(username) => self.store.user_by_name(&username).await?,
            Err(_) => None,
        };
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let right = self.verify(password.clone(), hash.clone()).await?;
        let subject = user.map(|user| user.subject);
        let refused = match &subject {
            None => "unknown user",
            Some(_) if !right => "wrong password",
            Some(subject) if subject.disabled => "user disabled",
            Some(subject) => {
                attempt.succeeded(&self.store, act).await?;
                if let Some(stale) = hash.filter(|hash| self.passwords.is_stale(hash)) {
                    let accounts = self.clone();
                    actix_web::rt::spawn(accounts.renew(subject.id.clone(), password, stale));
                }
                return Ok(Some(subject.clone()));
            }
        };
        let refusal = Refusal {
            kind: EventKind::LoginFailed,
            user_id: subject.map(|subject| subject.id),
            detail: refused,
        };
        attempt.failed(&self.store, refusal, act).await?;
        Ok(None)
    }

    /// Returns the device cookie for a browser that has just logged in by that name; none if failures are not counted.
    pub(super) fn device_cookie(
        &self,
        username: &str,
        (devices, act): (&Devices, &Act),
    ) -> Option<String> {
        self.throttle.device_cookie(username, devices, act)
    }

    /// Puts a new hash in the place of one that is stale. No one waits for it, so if it fails, the next login will do.
    async fn renew(self, user_id: String, password: Password, stale: PasswordHash) {
        let renewed = async {
            let new = self.passwords.hash_at_leisure(password).await?;
            let replaced = self.store.replace_hash(&user_id, &stale, &new).await;
            replaced.map_err(AccountError::from)
        };
        match renewed.await {
            Ok(()) => log::debug!("the password of user {user_id} is hashed anew"),
            Err(error) => log::info!("user {user_id} keeps an old password hash: {error}"),
        }
    }

    /// Changes a user's password, who gives the present one. All its sessions end but `sid`.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn change_password(
        &self,
        user_id: &str,
        sid: &str,
        (current, new): (Password, Password),
        act: &Act,
    ) -> Result<Revocation, AccountError> {
        let user = self.store.user_by_id(user_id).await?;
        let name = user.as_ref().map(|user| user.subject.username.clone());
        let name = name.unwrap_or_default();
        self.check(&name, &new)?;
        self.confirm((user_id, Some(sid)), user, current, act)
            .await?;
        let hash = self.passwords.hash_new(new).await?;
        let keep = Some(sid.to_owned());
        let change = UserChange::Password { hash, keep };
        self.store
            .change_user(user_id, change, act)
            .await?
            .try_into()
    }

    /// Deletes a user, who gives the password.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn delete(
        &self,
        user_id: &str,
        sid: Option<&str>,
        password: Password,
        act: &Act,
    ) -> Result<Revocation, AccountError> {
        let user = self.store.user_by_id(user_id).await?;
        self.confirm((user_id, sid), user, password, act).await?;
        self.store.delete_user(user_id, act).await?.try_into()
    }

    async fn confirm(
        &self,
        (user_id, sid): (&str, Option<&str>),
        user: Option<User>,
        password: Password,
        act: &Act,
    ) -> Result<(), AccountError> {
        let attempt = self.throttle.confirmation(user_id, sid, act).await?;
        let hash = user.map(|user| user.password_hash);
        if self.verify(password, hash).await? {
            return attempt.succeeded(&self.store, act).await;
        }
        let refusal = Refusal {
            kind: EventKind::ConfirmationFailed,
            user_id: Some(user_id.to_owned()),
            detail: "wrong password",
        };
        attempt.failed(&self.store, refusal, act).await?;
        Err(AccountError::WrongPassword)
    }

    /// Nobody has a password that is too long, so that needs no hash, whoever's it was meant to be.
    async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<bool, PasswordError> {
        if password.is_too_long() {
            return Ok(false);
        }
        self.passwords.verify(password, hash).await
    }

    /// Whether a password is fit for the user of that name, as far as that is told at once.
    fn check(&self, username: &str, password: &Password) -> Result<(), UnfitPassword> {
        let words: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let context = [words.as_slice(), &[username]].concat();
        self.passwords.policy().check(password, &context)
    }

    /// Hashes a password that the user of that name wants to have.
    ///
    /// # Errors
    ///
    /// [`AccountError::Unfit`], or what the pool says.
    pub async fn hash(
        &self,
        username: &str,
        password: Password,
    ) -> Result<PasswordHash, AccountError> {
        self.check(username, &password)?;
        Ok(self.passwords.hash_new(password).await?)
    }
}

/// What an attacker would try first on this server: its own name, its host's, and the parts of that.
fn server_names(public_url: Option<&Url>) -> Vec<String> {
    let host = public_url
        .and_then(Url::domain)
        .unwrap_or_default()
        .to_owned();
    let parts = host.split('.').map(str::to_owned);
    let names = [env!("CARGO_PKG_NAME").to_owned(), host.clone()];
    names
        .into_iter()
        .chain(parts)
        .filter(|name| !name.is_empty())
        .collect()
}
