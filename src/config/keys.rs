//! Defines the settings of the keys that sign and verify.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::bind::Bind;
use super::setting::{self, Known, Setting};
use crate::command::command;
use tokenpair::config::{Reader, parse_algorithm};
use tokenpair::keys::{Algorithm, KeyError, KeyRing, VerifyingKey};

/// The source of the signing key.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// `JWT_SECRET_KEY`
    Secret(SecretString),
    /// A secret that the server creates on its first start and keeps in this file.
    KeptSecret(PathBuf),
    /// `JWT_PRIVATE_KEY`
    PrivateKey(SecretString),
    /// `JWT_KEYS_DIR`
    Folder(PathBuf),
    /// A folder of keys. The server creates the first key on its first start.
    KeptFolder(PathBuf),
}

/// A secret of `JWT_PREVIOUS_SECRET_KEYS`.
#[derive(Clone, Debug)]
pub struct PreviousSecret {
    /// The key that verifies tokens signed with this secret.
    pub key: VerifyingKey,
    /// The secret.
    pub secret: SecretString,
}

pub(super) const KNOWN: &[Known] = &[
    SECRET.known(),
    ALGORITHM.known(),
    PREVIOUS.known(),
    PREVIOUS_ALGORITHM.known(),
    DIRECTORY.known(),
    PRIVATE.known(),
];

const SECRET: Setting<Option<String>> = Setting::new(
    "JWT_SECRET_KEY",
    "generated on first start, on loopback only",
    "Signing secret of at least 32, 48 or 64 bytes, for HS256, HS384 or HS512.",
    |reader, name| reader.text(name),
)
.shown_by(setting::SECRET);

pub(super) const ALGORITHM: Setting<Algorithm> = Setting::new(
    "JWT_ALGORITHM",
    "HS256",
    "Signing algorithm: HS, RS or PS with 256, 384 or 512, ES256, ES384 or EdDSA. HS signs with JWT_SECRET_KEY, the others with a key pair.",
    |reader, name| {
        let names = Algorithm::ALL.map(Algorithm::name).join(", ");
        let wanted = format!("write one of {names}");
        reader.parsed(name, Algorithm::default(), &wanted, parse_algorithm)
    },
);

/// A comma within a secret is written `\\,`.
const PREVIOUS: Setting<Vec<String>> = Setting::new(
    "JWT_PREVIOUS_SECRET_KEYS",
    "none",
    "Former signing secrets, comma-separated; the tokens they signed stay valid.",
    |reader, name| listed(&reader.text(name).unwrap_or_default()),
)
.shown_by(setting::SECRET);

const PREVIOUS_ALGORITHM: Setting<Option<Algorithm>> = Setting::new(
    "JWT_PREVIOUS_ALGORITHM",
    "JWT_ALGORITHM",
    "Algorithm of the former secrets: HS256, HS384 or HS512.",
    |reader, name| {
        let wanted = "write HS256, HS384 or HS512";
        reader.parsed(name, None, wanted, |text| {
            parse_algorithm(text).filter(takes_secrets).map(Some)
        })
    },
);

const DIRECTORY: Setting<Option<String>> = Setting::new(
    "JWT_KEYS_DIR",
    "data/keys, generated on first start, on loopback only",
    "Folder of key pairs that `tokenpair keys` rotates; a running server follows its changes.",
    |reader, name| reader.text(name),
);

const PRIVATE: Setting<Option<String>> = Setting::new(
    "JWT_PRIVATE_KEY",
    "none",
    "A single PEM private key, instead of a folder.",
    |reader, name| reader.text(name),
)
.shown_by(setting::SECRET);

fn takes_secrets(algorithm: &Algorithm) -> bool {
    Algorithm::HMAC.contains(algorithm)
}

/// Reads where the signing key comes from. On loopback the server may create the key itself. On
/// other addresses the operator must choose it, since it must be the same on every replica and
/// after every redeployment.
pub(super) fn source(reader: &mut Reader<'_>, algorithm: Algorithm, bind: &Bind) -> KeySource {
    if takes_secrets(&algorithm) {
        secret(reader, algorithm, bind)
    } else {
        key_pair(reader, algorithm, bind)
    }
}

fn secret(reader: &mut Reader<'_>, algorithm: Algorithm, bind: &Bind) -> KeySource {
    const CURE: &str = "make one with `openssl rand -base64 64`, or set JWT_SECRET_KEY_FILE to a file that holds it";
    for setting in [PRIVATE, DIRECTORY] {
        if setting.read(reader).is_some() {
            let name = setting.name();
            let algorithm = algorithm.name();
            let complaint = format!(
                "is for algorithms with a key pair, and JWT_ALGORITHM is {algorithm}, which signs with JWT_SECRET_KEY; \
                 set JWT_ALGORITHM=ES256 or another with a key pair, or remove {name}"
            );
            reader.problem(name, complaint);
        }
    }
    let Some(text) = SECRET.read(reader) else {
        if !bind.is_loopback() {
            reader.problem(
                SECRET.name(),
                format!("is needed, since SERVER_BIND is {bind}, which others can reach: {CURE}"),
            );
        }
        return KeySource::KeptSecret(PathBuf::from("data/secret_key"));
    };
    if let Err(error) = KeyRing::from_secret(algorithm, text.as_bytes()) {
        reader.problem(SECRET.name(), format!("cannot be used: {error}; {CURE}"));
    }
    KeySource::Secret(text.into())
}

fn key_pair(reader: &mut Reader<'_>, algorithm: Algorithm, bind: &Bind) -> KeySource {
    let name = algorithm.name();
    if SECRET.read(reader).is_some() {
        let complaint = format!(
            "is a secret, and JWT_ALGORITHM is {name}, which signs with a private key; remove it. To keep its tokens valid during the move, set JWT_PREVIOUS_SECRET_KEYS to it and JWT_PREVIOUS_ALGORITHM to its algorithm"
        );
        reader.problem(SECRET.name(), complaint);
    }
    match (PRIVATE.read(reader), DIRECTORY.read(reader)) {
        (Some(pem), folder) => {
            if folder.is_some() {
                let complaint = "and JWT_KEYS_DIR are both set; keep one of them: the folder, to rotate keys without a restart";
                reader.problem(PRIVATE.name(), complaint);
            }
            if let Err(error) = KeyRing::from_pem(algorithm, &pem) {
                let cure =
                    "make one with `openssl genpkey`, and set JWT_PRIVATE_KEY_FILE to its file";
                reader.problem(PRIVATE.name(), format!("cannot be used: {error}; {cure}"));
            }
            KeySource::PrivateKey(pem.into())
        }
        (None, Some(folder)) => KeySource::Folder(folder.into()),
        (None, None) => {
            if !bind.is_loopback() {
                let complaint = format!(
                    "or JWT_PRIVATE_KEY is needed, since SERVER_BIND is {bind}, which others can reach: set JWT_KEYS_DIR to a folder, and add a key with `{}`",
                    command("keys generate")
                );
                reader.problem(DIRECTORY.name(), complaint);
            }
            KeySource::KeptFolder(PathBuf::from("data/keys"))
        }
    }
}

/// Reads the previous secrets, whose tokens are still valid.
pub(super) fn previous(
    reader: &mut Reader<'_>,
    algorithm: Algorithm,
    source: &KeySource,
) -> Vec<PreviousSecret> {
    let secrets = PREVIOUS.read(reader);
    let Some(algorithm) = previous_algorithm(reader, algorithm, &secrets) else {
        return Vec::new();
    };
    let present = match source {
        KeySource::Secret(secret) => Some(secret.expose_secret()),
        _ => None,
    };
    // One secret for two algorithms would violate RFC 8725 section 3.1; the same secret twice for
    // one is a mistake.
    if secrets.iter().any(|secret| present == Some(secret)) {
        let complaint = "contains JWT_SECRET_KEY; list only older secrets here";
        reader.problem(PREVIOUS.name(), complaint);
    }
    let count = secrets.len();
    let mut keys = Vec::new();
    for (index, secret) in secrets.iter().enumerate() {
        match VerifyingKey::from_secret(algorithm, secret.as_bytes()) {
            Ok(key) => keys.push(PreviousSecret {
                key,
                secret: secret.as_str().into(),
            }),
            Err(error) => reader.problem(PREVIOUS.name(), unusable(index + 1, count, &error)),
        }
    }
    keys
}

/// Splits a list of secrets at commas. A comma within a secret is written `\\,`.
fn listed(text: &str) -> Vec<String> {
    const COMMA: &str = "\0";
    let text = text.replace("\\,", COMMA);
    let items = text.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(|item| item.replace(COMMA, ","))
        .collect()
}

fn unusable(number: usize, count: usize, error: &KeyError) -> String {
    format!(
        "cannot be used: number {number} of {count}: {error}; list only former signing secrets, separated by commas; write a comma within a secret as \\,"
    )
}

/// Returns the algorithm of the previous secrets. `None` without such secrets, or if no setting
/// names it.
fn previous_algorithm(
    reader: &mut Reader<'_>,
    algorithm: Algorithm,
    secrets: &[String],
) -> Option<Algorithm> {
    let given = PREVIOUS_ALGORITHM.read(reader);
    if secrets.is_empty() {
        if given.is_some() {
            let complaint =
                "is the algorithm of JWT_PREVIOUS_SECRET_KEYS, which is not set; remove it";
            reader.problem(PREVIOUS_ALGORITHM.name(), complaint);
        }
        return None;
    }
    let same = given.or(Some(algorithm).filter(takes_secrets));
    if same.is_none() {
        let name = algorithm.name();
        let complaint = format!(
            "holds secrets, and JWT_ALGORITHM is {name}, which has none; remove it, or to keep their tokens valid during the move to {name}, set JWT_PREVIOUS_ALGORITHM to their algorithm, such as HS256"
        );
        reader.problem(PREVIOUS.name(), complaint);
    }
    same
}
