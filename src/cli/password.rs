//! Reads a new password from the terminal or from standard input.

use clap::Args;

use super::CommandError;
use super::input::first_line;
use crate::server::Accounts;
use tokenpair_store::password::{Password, UnfitPassword};

/// Where a command gets a new password.
#[derive(Debug, Args)]
pub(super) struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// Reads a password that the user of that name can have. A person is not asked to repeat one
    /// that is refused.
    pub(super) fn read(
        &self,
        accounts: &Accounts,
        username: &str,
    ) -> Result<Password, CommandError> {
        let given = if self.password_stdin {
            let line = first_line("the password")?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        } else {
            ask(&format!("New password for {username}: "))?
        };
        let password = Password::new(given.clone());
        accounts.check(username, &password).map_err(told)?;
        if !self.password_stdin && ask("Repeat the password: ")? != given {
            return Err("the passwords do not match; nothing was changed".into());
        }
        Ok(password)
    }
}

fn ask(prompt: &str) -> Result<String, &'static str> {
    rpassword::prompt_password(prompt)
        .map_err(|_| "no password was entered; without a terminal, use --password-stdin")
}

/// Returns the reason together with the cure.
fn told(unfit: UnfitPassword) -> String {
    match unfit {
        UnfitPassword::TooShort(_) | UnfitPassword::TooLong => unfit.to_string(),
        UnfitPassword::TooCommon => {
            format!("{unfit}; choose several words that do not belong together")
        }
    }
}
