//! Accounts: register and authenticate, for the routes and for the commands.

use thiserror::Error;

use crate::password::{Password, PasswordError, PasswordHash, Passwords};
use crate::session::{Act, Revocation, StoreError, Subject};
use crate::store::{
    Changed, DieselStore, EventKind, NewUser, UserChange, UserError, Username, UsernameError,
};

/// Users over a store and a pool of hashing threads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    store: DieselStore,
    passwords: Passwords,
}

/// Why an account was not made or not looked into.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The name has no good form.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// The password has too few characters.
    #[error("a password has at least {0} characters")]
    PasswordTooShort(usize),
    /// Someone has that name.
    #[error("the username is taken")]
    Taken,
    /// The password is not the user's.
    #[error("the password is wrong")]
    WrongPassword,
    /// Without this user nobody could manage the others.
    #[error("without the last admin nobody could manage the others")]
    LastAdmin,
    /// The hashing pool failed.
    #[error(transparent)]
    Password(#[from] PasswordError),
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

impl From<UserError> for AccountError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Taken => Self::Taken,
            UserError::Store(error) => Self::Store(error),
        }
    }
}

impl Accounts {
    /// Accounts over `store`, hashing with `passwords`.
    pub const fn new(store: DieselStore, passwords: Passwords) -> Self {
        Self { store, passwords }
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
        let password_hash = self.hash(password).await?;
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
    /// [`AccountError`] if the database or the pool failed; that is no answer.
    pub async fn authenticate(
        &self,
        username: &str,
        password: Password,
        act: &Act,
    ) -> Result<Option<Subject>, AccountError> {
        let user = match Username::parse(username) {
            Ok(username) => self.store.user_by_name(&username).await?,
            Err(_) => None,
        };
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let right = self
            .passwords
            .verify(password.clone(), hash.clone())
            .await?;
        let subject = user.map(|user| user.subject);
        let refused = match &subject {
            None => "unknown user",
            Some(_) if !right => "wrong password",
            Some(subject) if subject.disabled => "user disabled",
            Some(subject) => {
                if let Some(stale) = hash.filter(|hash| self.passwords.is_stale(hash)) {
                    let accounts = self.clone();
                    actix_web::rt::spawn(accounts.renew(subject.id.clone(), password, stale));
                }
                return Ok(Some(subject.clone()));
            }
        };
        let id = subject.map(|subject| subject.id);
        self.store
            .record_refusal(EventKind::LoginFailed, id.as_deref(), refused, act)
            .await?;
        Ok(None)
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
        self.confirm(user_id, current, act).await?;
        let hash = self.hash(new).await?;
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
        password: Password,
        act: &Act,
    ) -> Result<Revocation, AccountError> {
        self.confirm(user_id, password, act).await?;
        self.store.delete_user(user_id, act).await?.try_into()
    }

    async fn confirm(
        &self,
        user_id: &str,
        password: Password,
        act: &Act,
    ) -> Result<(), AccountError> {
        let user = self.store.user_by_id(user_id).await?;
        let hash = user.map(|user| user.password_hash);
        if self.passwords.verify(password, hash).await? {
            return Ok(());
        }
        let kind = EventKind::ConfirmationFailed;
        self.store
            .record_refusal(kind, Some(user_id), "wrong password", act)
            .await?;
        Err(AccountError::WrongPassword)
    }

    /// Hashes a password that someone wants to have.
    ///
    /// # Errors
    ///
    /// [`AccountError::PasswordTooShort`], or what the pool says.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, AccountError> {
        let min_chars = self.passwords.policy().min_chars;
        if password.chars() < min_chars {
            return Err(AccountError::PasswordTooShort(min_chars));
        }
        Ok(self.passwords.hash(password).await?)
    }
}
