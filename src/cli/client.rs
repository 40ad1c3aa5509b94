//! Implements `tokenpair client`: the services that may ask about tokens or revoke them.

use std::io::Write;

use clap::Subcommand;
use serde::Serialize;

use super::input::confirmed;
use super::listing::{Entry, Form, ObjectForm};
use super::{CommandError, block_on, settings};
use crate::command::command;
use crate::printable::printable;
use crate::server::open_current_store;
use tokenpair::clock::Clock;
use tokenpair::session::RequestContext;
use tokenpair_store::{
    Client, ClientChange, ClientName, ClientPermission, ClientSecret, DieselStore,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a client, and print its ID and its secret, which is not shown again
    Add {
        /// The client's name: lower-case letters, digits, - and _
        name: String,
        /// What the client may do: introspect or revoke [default: introspect]
        #[arg(long, value_name = "PERMISSION", value_parser = permission)]
        may: Vec<ClientPermission>,
        /// Print JSON: an object with `client_id` and `client_secret`
        #[arg(long)]
        json: bool,
    },
    /// List all clients
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Print a new secret for a client; the one before works until --finish or the next rotation
    Rotate {
        /// The client's name
        name: String,
        /// Make no new secret, and stop accepting the one before
        #[arg(long, conflicts_with = "json")]
        finish: bool,
        /// Print JSON: an object with `client_id` and `client_secret`
        #[arg(long)]
        json: bool,
    },
    /// Show, add or remove a client's permissions; a change takes effect at once
    Permissions {
        /// The client's name
        name: String,
        /// A permission to add: introspect or revoke
        #[arg(long, value_name = "PERMISSION", value_parser = permission)]
        add: Vec<ClientPermission>,
        /// A permission to remove
        #[arg(long, value_name = "PERMISSION", value_parser = permission)]
        remove: Vec<ClientPermission>,
        #[command(flatten)]
        form: ObjectForm,
    },
    /// Delete a client; its requests are rejected at once
    Delete {
        /// The client's name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

fn permission(word: &str) -> Result<ClientPermission, String> {
    ClientPermission::from_word(word).ok_or_else(|| {
        let words = ClientPermission::ALL.map(ClientPermission::word);
        format!("write one of {}", words.join(", "))
    })
}

pub(super) fn run(wanted: Command, out: &mut dyn Write) -> Result<(), CommandError> {
    let clients = Clients {
        store: open_current_store(&settings()?)?,
    };
    block_on(async move {
        match wanted {
            Command::Add { name, may, json } => clients.add(&name, may, json, out).await,
            Command::List { form } => form.print(&clients.list().await?, out),
            Command::Rotate {
                name, finish: true, ..
            } => clients.finish(&name, out).await,
            Command::Rotate { name, json, .. } => clients.rotate(&name, json, out).await,
            Command::Permissions {
                name,
                add,
                remove,
                form,
            } => {
                let change = ClientChange::Permissions { add, remove };
                clients.permissions(&name, change, form, out).await
            }
            Command::Delete { name, yes } => clients.delete(&name, yes, out).await,
        }
    })
}

/// A client, as `client list` shows it.
#[derive(Serialize)]
struct ClientEntry {
    id: String,
    name: String,
    permissions: Vec<&'static str>,
    created_at: String,
    secret_at: String,
    accepts_previous_secret: bool,
}

impl From<Client> for ClientEntry {
    fn from(client: Client) -> Self {
        let permissions = client.permissions.iter().copied();
        Self {
            permissions: permissions.map(ClientPermission::word).collect(),
            id: client.id,
            name: client.name,
            created_at: client.created_at.to_string(),
            secret_at: client.secret_at.to_string(),
            accepts_previous_secret: client.previous_secret.is_some(),
        }
    }
}

impl Entry for ClientEntry {
    fn head() -> String {
        line_of(["name", "id", "created", "secret of", "secrets", "may"])
    }

    fn line(&self) -> String {
        let secrets = if self.accepts_previous_secret {
            "2"
        } else {
            "1"
        };
        let may = self.permissions.join(" ");
        line_of([
            &self.name,
            &self.id,
            &self.created_at,
            &self.secret_at,
            secrets,
            &may,
        ])
    }
}

fn line_of([name, id, created, secret, secrets, may]: [&str; 6]) -> String {
    format!("{name:<24} {id:<36} {created:<20} {secret:<20} {secrets:<7} {may}")
}

/// Credentials as a program reads them. It has no `Debug`.
#[derive(Serialize)]
struct Printed<'a> {
    client_id: &'a str,
    client_secret: &'a str,
}

struct Clients {
    store: DieselStore,
}

impl Clients {
    async fn add(
        &self,
        name: &str,
        mut may: Vec<ClientPermission>,
        json: bool,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let name = ClientName::parse(name)?;
        if may.is_empty() {
            may.push(ClientPermission::Introspect);
        }
        may.sort_unstable();
        may.dedup();
        let secret = ClientSecret::random();
        let context = context();
        let created = self
            .store
            .create_client(name, may, secret.digest(), &context);
        let client = created.await?;
        print(&client, &secret, json, out).map_err(|error| {
            let name = &client.name;
            let rotate = command(&format!("client rotate {name}"));
            format!("{error}; the client {name} exists, but its secret was not shown: make another with `{rotate}`").into()
        })
    }

    async fn list(&self) -> Result<Vec<ClientEntry>, CommandError> {
        let clients = self.store.clients().await?;
        Ok(clients.into_iter().map(ClientEntry::from).collect())
    }

    async fn rotate(
        &self,
        name: &str,
        json: bool,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let secret = ClientSecret::random();
        let change = ClientChange::Secret(secret.digest());
        let client = self.change(name, change).await?;
        print(&client, &secret, json, out).map_err(|error| {
            let rotate = command(&format!("client rotate {name}"));
            format!(
                "{error}; the client {name} has a new secret, which was not shown: make another with `{rotate}`. \
                 Until then, the secret before works too"
            )
        })?;
        if json {
            return Ok(());
        }
        let finish = command(&format!("client rotate {name} --finish"));
        Ok(writeln!(
            out,
            "The secret before works too, until you run `{finish}`."
        )?)
    }

    async fn finish(&self, name: &str, out: &mut dyn Write) -> Result<(), CommandError> {
        let before = self.find(name).await?;
        if before.previous_secret.is_none() {
            return Ok(writeln!(out, "{name} has one secret already")?);
        }
        self.change(name, ClientChange::DropPreviousSecret).await?;
        Ok(writeln!(
            out,
            "{name} has one secret: the newest; the one before is rejected"
        )?)
    }

    async fn permissions(
        &self,
        name: &str,
        change: ClientChange,
        form: ObjectForm,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let client = ClientEntry::from(self.change(name, change).await?);
        let text = || match client.permissions.as_slice() {
            [] => format!("{name} has no permissions\n"),
            words => format!("the permissions of {name}: {}\n", words.join(", ")),
        };
        form.print(&client, text, out)
    }

    async fn delete(&self, name: &str, yes: bool, out: &mut dyn Write) -> Result<(), CommandError> {
        let client = self.find(name).await?;
        let question = format!("Delete the client {}?", printable(name));
        if !yes && !confirmed(&question, out)? {
            return Ok(writeln!(out, "nothing was deleted")?);
        }
        if !self.store.delete_client(&client.id, &context()).await? {
            return Err(unknown(name));
        }
        Ok(writeln!(out, "{name} is deleted")?)
    }

    async fn find(&self, name: &str) -> Result<Client, CommandError> {
        let client = match ClientName::parse(name) {
            Ok(name) => self.store.client_by_name(&name.into_string()).await?,
            Err(_) => None,
        };
        client.ok_or_else(|| unknown(name))
    }

    /// Returns the client after the change.
    async fn change(&self, name: &str, change: ClientChange) -> Result<Client, CommandError> {
        let client = self.find(name).await?;
        let context = context();
        let changed = self.store.change_client(&client.id, change, &context);
        changed.await?.ok_or_else(|| unknown(name))
    }
}

fn context() -> RequestContext {
    RequestContext::of_operator(Clock::system().now())
}

fn unknown(name: &str) -> CommandError {
    format!(
        "there is no client {name:?}; list all with `{}`",
        command("client list")
    )
    .into()
}

/// Prints the credentials, which are shown only now.
fn print(
    client: &Client,
    secret: &ClientSecret,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let (id, secret) = (client.id.as_str(), secret.expose());
    if json {
        let printed = Printed {
            client_id: id,
            client_secret: secret,
        };
        writeln!(out, "{}", serde_json::to_string_pretty(&printed)?)?;
    } else {
        writeln!(
            out,
            "client_id:     {id}\nclient_secret: {secret}\nKeep the secret now: it is not shown again."
        )?;
    }
    Ok(out.flush()?)
}
