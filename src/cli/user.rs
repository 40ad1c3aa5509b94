//! Implements `tokenpair user`.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::input::confirmed;
use super::listing::{Entry, Form, ObjectForm};
use super::password::PasswordSource;
use super::{CommandError, block_on, import, settings};
use crate::command::command;
use crate::config::Settings;
use crate::printable::printable;
use crate::server::{AccountError, Accounts, applied, open_current_store};
use tokenpair::clock::Clock;
use tokenpair::session::RequestContext;
use tokenpair_store::{ADMIN, Applied, DieselStore, Role, User, UserChange, Username};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Manage(Manage),
    /// Import users with their password hashes; imports all or no users, unless --skip-invalid is
    /// given
    Import(import::Wanted),
}

#[derive(Debug, Subcommand)]
pub(super) enum Manage {
    /// Add a user
    Add {
        /// The name to log in with
        name: String,
        /// Let the user manage other users
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List all users
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Set a user's password and end all their sessions
    Password {
        /// The user's name
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Disable a user: reject logins and end all sessions
    Disable {
        /// The user's name
        name: String,
    },
    /// Enable a disabled user
    Enable {
        /// The user's name
        name: String,
    },
    /// Show, add or remove a user's roles; a change takes effect at once
    Role(RoleChange),
    /// Delete a user and all their sessions
    Delete {
        /// The user's name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tokenpair user role ada
  tokenpair user role ada --add editor --remove admin")]
pub(super) struct RoleChange {
    /// The user's name
    name: String,
    /// A role to add: lower-case letters, digits, - and _
    #[arg(long, value_name = "ROLE")]
    add: Vec<String>,
    /// A role to remove
    #[arg(long, value_name = "ROLE")]
    remove: Vec<String>,
    #[command(flatten)]
    form: ObjectForm,
}

/// The roles of a user, as `user role` shows them.
#[derive(Serialize)]
struct RolesEntry<'a> {
    username: &'a str,
    roles: &'a [String],
}

impl RoleChange {
    /// Returns the roles of a user with these roles after the change.
    fn apply_to(&self, roles: &[String]) -> Result<Vec<String>, CommandError> {
        let mut roles = roles.to_vec();
        for role in &self.add {
            Role::parse(role)?;
            if !roles.contains(role) {
                roles.push(role.clone());
            }
        }
        roles.retain(|role| !self.remove.contains(role));
        if roles.len() > Role::MOST {
            return Err(format!("a user has at most {} roles", Role::MOST).into());
        }
        Ok(roles)
    }
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Result<(), CommandError> {
    match command {
        Command::Manage(command) => manage(command, out),
        Command::Import(wanted) => import::run(&wanted, out),
    }
}

fn manage(command: Manage, out: &mut dyn Write) -> Result<(), CommandError> {
    let users = Users::open()?;
    block_on(async move {
        match command {
            Manage::Add {
                name,
                admin,
                password,
            } => users.add(&name, admin, &password, out).await,
            Manage::List { form } => form.print(&users.list().await?, out),
            Manage::Password { name, password } => users.password(&name, &password, out).await,
            Manage::Disable { name } => users.disable(&name, out).await,
            Manage::Enable { name } => users.enable(&name, out).await,
            Manage::Role(wanted) => users.role(&wanted, out).await,
            Manage::Delete { name, yes } => users.delete(&name, yes, out).await,
        }
    })
}

/// A user, as `user list` shows it.
#[derive(Serialize)]
struct UserEntry {
    id: String,
    username: String,
    roles: Vec<String>,
    created_at: String,
    disabled_at: Option<String>,
}

impl From<User> for UserEntry {
    fn from(user: User) -> Self {
        Self {
            id: user.subject.id,
            username: user.subject.username,
            roles: user.subject.roles,
            created_at: user.created_at.to_string(),
            disabled_at: user.disabled_at.map(|at| at.to_string()),
        }
    }
}

impl Entry for UserEntry {
    fn head() -> String {
        line_of(["name", "id", "created", "state", "roles"])
    }

    fn line(&self) -> String {
        let state = match self.disabled_at {
            Some(_) => "disabled",
            None => "active",
        };
        let roles = self.roles.join(" ");
        line_of([&self.username, &self.id, &self.created_at, state, &roles])
    }
}

fn line_of([name, id, created, state, roles]: [&str; 5]) -> String {
    format!("{name:<24} {id:<36} {created:<20} {state:<9} {roles}")
}

struct Users {
    settings: Settings,
    store: DieselStore,
}

impl Users {
    fn open() -> Result<Self, CommandError> {
        let settings = settings()?;
        let store = open_current_store(&settings)?;
        Ok(Self { settings, store })
    }

    fn accounts(&self) -> Result<Accounts, CommandError> {
        Ok(Accounts::new(&self.settings, self.store.clone())?)
    }

    fn context(&self) -> RequestContext {
        RequestContext::of_operator(Clock::system().now())
    }

    async fn find(&self, name: &str) -> Result<User, CommandError> {
        find(&self.store, name).await
    }

    async fn add(
        &self,
        name: &str,
        admin: bool,
        source: &PasswordSource,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        // Fails before the prompt for a password.
        let username = Username::parse(name)?;
        if self.store.user_by_name(&username).await?.is_some() {
            return Err(AccountError::Taken.into());
        }
        let accounts = self.accounts()?;
        let password = source.read(&accounts, username.key())?;
        let roles = if admin {
            vec![ADMIN.to_owned()]
        } else {
            Vec::new()
        };
        let user = accounts
            .register(name, password, roles, &self.context())
            .await?;
        Ok(writeln!(out, "{} added, id {}", user.username, user.id)?)
    }

    async fn list(&self) -> Result<Vec<UserEntry>, CommandError> {
        let users = self.store.users().await?;
        Ok(users.into_iter().map(UserEntry::from).collect())
    }

    async fn password(
        &self,
        name: &str,
        source: &PasswordSource,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let user = self.find(name).await?;
        let name = &user.subject.username;
        let accounts = self.accounts()?;
        let password = source.read(&accounts, name)?;
        let hash = accounts.hash(name, password).await?;
        self.change(&user, UserChange::Password { hash, keep: None })
            .await?;
        Ok(writeln!(
            out,
            "{} has a new password and was logged out everywhere",
            user.subject.username
        )?)
    }

    async fn disable(&self, name: &str, out: &mut dyn Write) -> Result<(), CommandError> {
        let user = self.find(name).await?;
        let name = &user.subject.username;
        if user.subject.disabled {
            return Ok(writeln!(out, "{name} is disabled already")?);
        }
        self.change(&user, UserChange::Disable).await?;
        Ok(writeln!(
            out,
            "{name} is disabled and was logged out everywhere"
        )?)
    }

    async fn enable(&self, name: &str, out: &mut dyn Write) -> Result<(), CommandError> {
        let user = self.find(name).await?;
        let name = &user.subject.username;
        if !user.subject.disabled {
            return Ok(writeln!(out, "{name} is enabled already")?);
        }
        self.change(&user, UserChange::Enable).await?;
        Ok(writeln!(out, "{name} is enabled")?)
    }

    async fn role(&self, wanted: &RoleChange, out: &mut dyn Write) -> Result<(), CommandError> {
        let mut user = self.find(&wanted.name).await?;
        let mut roles = wanted.apply_to(&user.subject.roles)?;
        // Again from the roles that another change left, so that neither undoes the other.
        while roles != user.subject.roles {
            let change = UserChange::RolesFrom {
                from: user.subject.roles.clone(),
                to: roles,
            };
            user = self.change(&user, change).await?;
            roles = wanted.apply_to(&user.subject.roles)?;
        }
        let entry = RolesEntry {
            username: &user.subject.username,
            roles: &roles,
        };
        let text = || match roles.as_slice() {
            [] => format!("{} has no roles\n", entry.username),
            roles => format!("the roles of {}: {}\n", entry.username, roles.join(", ")),
        };
        wanted.form.print(&entry, text, out)
    }

    async fn delete(&self, name: &str, yes: bool, out: &mut dyn Write) -> Result<(), CommandError> {
        let user = self.find(name).await?;
        let name = &user.subject.username;
        let question = format!(
            "Delete {}, with all sessions? The audit trail stays.",
            printable(name)
        );
        if !yes && !confirmed(&question, out)? {
            return Ok(writeln!(out, "nothing was deleted")?);
        }
        let context = self.context();
        let deleted = self.store.delete_user(&user.subject.id, &context);
        of_operator(applied(deleted.await?), &user)?;
        Ok(writeln!(
            out,
            "{name} is deleted and was logged out everywhere"
        )?)
    }

    /// Returns the user after the change.
    async fn change(&self, user: &User, change: UserChange) -> Result<User, CommandError> {
        let context = self.context();
        let changed = self.store.change_user(&user.subject.id, change, &context);
        Ok(of_operator(applied(changed.await?), user)?.user)
    }
}

/// Adds what to do to the refusal of a change that would leave nobody to manage users by HTTP.
fn of_operator(
    changed: Result<Applied, AccountError>,
    user: &User,
) -> Result<Applied, CommandError> {
    changed.map_err(|error| match error {
        AccountError::LastAdmin => format!(
            "{} is the last admin; make another user an admin first, with `{}`",
            user.subject.username,
            command("user role NAME --add admin")
        )
        .into(),
        error => error.into(),
    })
}

/// Returns the user of that name, or an error if there is no such user.
pub(super) async fn find(store: &DieselStore, name: &str) -> Result<User, CommandError> {
    let user = match Username::parse(name) {
        Ok(username) => store.user_by_name(&username).await?,
        Err(_) => None,
    };
    user.ok_or_else(|| {
        format!(
            "there is no user {name:?}; list all with `{}`",
            command("user list")
        )
        .into()
    })
}
