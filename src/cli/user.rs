//! Implements `tokenpair user`.

use std::io::{self, BufRead, Write};

use clap::{Args, Subcommand};

use super::{CommandError, block_on, import, settings};
use crate::config::Settings;
use crate::printable::printable;
use crate::server::{Accounts, applied, open_current_store};
use tokenpair::clock::Clock;
use tokenpair::session::RequestContext;
use tokenpair_store::password::Password;
use tokenpair_store::{ADMIN, DieselStore, User, UserChange, Username};

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
    List,
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
}

#[derive(Debug, Args)]
pub(super) struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    fn read(&self) -> Result<Password, CommandError> {
        if self.password_stdin {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            return Ok(Password::new(
                line.trim_end_matches(['\r', '\n']).to_owned(),
            ));
        }
        let ask = |prompt| {
            rpassword::prompt_password(prompt)
                .map_err(|_| "no password was entered; without a terminal, use --password-stdin")
        };
        let typed = ask("Password: ")?;
        if ask("Repeat the password: ")? != typed {
            return Err("the passwords do not match".into());
        }
        Ok(Password::new(typed))
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
            Manage::List => users.list(out).await,
            Manage::Password { name, password } => users.password(&name, &password, out).await,
            Manage::Disable { name } => users.disable(&name, out).await,
            Manage::Enable { name } => users.enable(&name, out).await,
        }
    })
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
        Username::parse(name)?;
        let password = source.read()?;
        let roles = if admin {
            vec![ADMIN.to_owned()]
        } else {
            Vec::new()
        };
        let user = self
            .accounts()?
            .register(name, password, roles, &self.context())
            .await?;
        Ok(writeln!(out, "{} added, id {}", user.username, user.id)?)
    }

    async fn list(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        writeln!(
            out,
            "{:<24} {:<36} {:<20} {:<9} roles",
            "name", "id", "created", "state"
        )?;
        for user in self.store.users().await? {
            let state = if user.subject.disabled {
                "disabled"
            } else {
                "active"
            };
            let roles = user.subject.roles.join(" ");
            let line = format!(
                "{:<24} {:<36} {:<20} {state:<9} {roles}",
                user.subject.username,
                user.subject.id,
                user.created_at.to_string()
            );
            writeln!(out, "{}", printable(line.trim_end()))?;
        }
        Ok(())
    }

    async fn password(
        &self,
        name: &str,
        source: &PasswordSource,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let user = self.find(name).await?;
        let name = &user.subject.username;
        let hash = self.accounts()?.hash(name, source.read()?).await?;
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
        self.change(&user, UserChange::Disable).await?;
        Ok(writeln!(
            out,
            "{} is disabled and was logged out everywhere",
            user.subject.username
        )?)
    }

    async fn enable(&self, name: &str, out: &mut dyn Write) -> Result<(), CommandError> {
        let user = self.find(name).await?;
        self.change(&user, UserChange::Enable).await?;
        Ok(writeln!(out, "{} is enabled", user.subject.username)?)
    }

    async fn change(&self, user: &User, change: UserChange) -> Result<(), CommandError> {
        let context = self.context();
        let changed = self.store.change_user(&user.subject.id, change, &context);
        applied(changed.await?)?;
        Ok(())
    }
}

/// Returns the user of that name, or an error if there is no such user.
pub(super) async fn find(store: &DieselStore, name: &str) -> Result<User, CommandError> {
    let user = match Username::parse(name) {
        Ok(username) => store.user_by_name(&username).await?,
        Err(_) => None,
    };
    user.ok_or_else(|| format!("there is no user {name:?}; `tokenpair user list` lists all").into())
}
