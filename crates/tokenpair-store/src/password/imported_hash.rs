//! Implements hashes made by other programs: Werkzeug's scrypt and PBKDF2, Flask-Bcrypt's, and
//! bcrypt of any other origin.
//!
//! They are imported, verified as their makers did, and replaced by our bcrypt when their users log
//! in. A store keeps them unchanged, except for a prefix before bcrypt: our own bcrypt has no
//! prefix, and is made of passwords that are never truncated.

use std::num::NonZero;

use bcrypt::HashParts;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::hash::PasswordHash;
use super::maker::Maker;
use super::pbkdf2::Prf;
use super::plaintext::for_bcrypt;
use super::policy::PasswordPolicy;

/// A hash made by another program, well-formed, and not too expensive to verify at a login. `Debug`
/// shows its kind.
///
/// ```
/// use tokenpair_store::password::{ForeignHash, ForeignHashError, Maker, Password, PasswordPolicy, Passwords, Verdict};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // As Werkzeug writes them, except for the iterations, which it has a thousand times as many of.
/// let text = "pbkdf2:sha256:1000$salt$6e8453a042a842bdb62de0d3c870ec1241e90ec0ce4f2589ab5e87927122c1e5";
/// let hash = ForeignHash::parse(text, Maker::Plain)?;
/// assert_eq!(hash.kind(), "pbkdf2");
/// let passwords = Passwords::start(PasswordPolicy::default())?;
/// let typed = Password::new("correct horse".to_owned());
/// let verdict = passwords.verify(typed, Some(hash.into_hash())).await?;
/// assert_eq!(verdict, Verdict::Outdated); // right, and due for replacement
///
/// let md5 = ForeignHash::parse("5f4dcc3b5aa765d61d8327deb882cf99", Maker::Plain);
/// assert_eq!(md5.unwrap_err(), ForeignHashError::Unknown);
/// let cut = ForeignHash::parse("pbkdf2:sha256:1000$salt$0123", Maker::Plain);
/// assert_eq!(cut.unwrap_err(), ForeignHashError::Damaged("digits"));
/// # Ok(())
/// # }
/// ```
pub struct ForeignHash {
    text: String,
    scheme: Scheme,
}

enum Scheme {
    Scrypt(Scrypt),
    Pbkdf2(Pbkdf2),
    Bcrypt(Maker),
}

/// The reason a text is not a hash that can be verified. The messages do not quote the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ForeignHashError {
    /// The kind is unknown.
    #[error(
        "the hash is not Werkzeug's (scrypt:… or pbkdf2:…) or bcrypt's ($2a$…, $2b$… or $2y$…)"
    )]
    Unknown,
    /// Truncated or altered.
    #[error("the hash is damaged: cannot read its {0}")]
    Damaged(&'static str),
    /// The number of iterations is missing, and Werkzeug's default cannot be guessed: it went from
    /// 1,000 to 1,000,000.
    #[error("the hash has no number of iterations, as in Werkzeug's (pbkdf2:sha256:600000$…)")]
    NoIterations,
    /// An imported hash that is this expensive could stop the server with a login.
    #[error("the hash would cost too much: {0}")]
    TooDear(&'static str),
}

/// The prefix of an imported bcrypt in the database.
const BCRYPT: &str = "bcrypt";
const BCRYPT_SHA256: &str = "bcrypt_sha256";

impl ForeignHash {
    /// Parses a hash as its maker wrote it. The hash does not reveal bcrypt's input, so `bcrypt`
    /// states it.
    ///
    /// # Errors
    ///
    /// Returns a [`ForeignHashError`] if the hash cannot be verified.
    pub fn parse(text: &str, bcrypt: Maker) -> Result<Self, ForeignHashError> {
        let word = match bcrypt {
            Maker::Plain => BCRYPT,
            Maker::Sha256First => BCRYPT_SHA256,
            Maker::Tokenpair if text.starts_with("$2") => {
                let (text, scheme) = (text.to_owned(), checked_bcrypt(text, bcrypt)?);
                return Ok(Self { text, scheme });
            }
            Maker::Tokenpair => "",
        };
        let stored = if text.starts_with("$2") {
            format!("{word}:{text}")
        } else {
            text.to_owned()
        };
        Self::stored(&stored).unwrap_or(Err(ForeignHashError::Unknown))
    }

    /// Parses a stored hash; `None` if it is our own.
    pub(super) fn stored(text: &str) -> Option<Result<Self, ForeignHashError>> {
        let (word, rest) = text.split_once(':')?;
        let scheme = match word {
            "scrypt" => Scrypt::parse(rest).map(Scheme::Scrypt),
            "pbkdf2" => Pbkdf2::parse(rest).map(Scheme::Pbkdf2),
            BCRYPT => checked_bcrypt(rest, Maker::Plain),
            BCRYPT_SHA256 => checked_bcrypt(rest, Maker::Sha256First),
            _ => Err(ForeignHashError::Unknown),
        };
        let text = text.to_owned();
        Some(scheme.map(|scheme| Self { text, scheme }))
    }

    /// Returns the hash for a store to keep.
    pub fn into_hash(self) -> PasswordHash {
        PasswordHash::from_text(self.text)
    }

    /// Returns the kind, for messages.
    pub const fn kind(&self) -> &'static str {
        match self.scheme {
            Scheme::Scrypt(_) => "scrypt",
            Scheme::Pbkdf2(_) => "pbkdf2",
            Scheme::Bcrypt(Maker::Plain) => "bcrypt",
            Scheme::Bcrypt(Maker::Sha256First) => "bcrypt of a SHA-256",
            Scheme::Bcrypt(Maker::Tokenpair) => "bcrypt of tokenpair",
        }
    }

    /// Splits a stored hash into the hash as its maker wrote it, and what bcrypt was given; `None`
    /// if it is not bcrypt. For an export.
    ///
    /// ```
    /// use tokenpair_store::password::{ForeignHash, Maker};
    ///
    /// let text = "$2b$12$KbQi5Cnn1yVvQ3yYpXqXYe5w8rQyPHGmJn1mX0X2kX8eFZrXo9m6W";
    /// for maker in [Maker::Plain, Maker::Sha256First, Maker::Tokenpair] {
    ///     let stored = ForeignHash::parse(text, maker)?.into_hash();
    ///     assert_eq!(ForeignHash::exported(&stored), (text, Some(maker)));
    /// }
    /// # Ok::<(), tokenpair_store::password::ForeignHashError>(())
    /// ```
    pub fn exported(stored: &PasswordHash) -> (&str, Option<Maker>) {
        let text = stored.expose();
        match text.split_once(':') {
            Some((BCRYPT, bare)) => (bare, Some(Maker::Plain)),
            Some((BCRYPT_SHA256, bare)) => (bare, Some(Maker::Sha256First)),
            Some(_) => (text, None),
            None => (text, Some(Maker::Tokenpair)),
        }
    }

    /// Returns whether the hash was made of this password.
    pub(super) fn verify(&self, password: &str) -> Result<bool, bcrypt::BcryptError> {
        match &self.scheme {
            Scheme::Scrypt(scrypt) => Ok(scrypt.verify(password)),
            Scheme::Pbkdf2(pbkdf2) => Ok(pbkdf2.verify(password)),
            // Cut at 72 bytes, as its maker did, and with any NUL that was typed, as Python's
            // bcrypt accepts it.
            Scheme::Bcrypt(Maker::Plain) => bcrypt::verify(password, self.bare_bcrypt()),
            Scheme::Bcrypt(Maker::Sha256First) => {
                let digits = hexadecimal(&Sha256::digest(password));
                bcrypt::verify(digits, self.bare_bcrypt())
            }
            Scheme::Bcrypt(Maker::Tokenpair) => {
                let text = for_bcrypt(&password.into());
                bcrypt::non_truncating_verify(text.expose_secret(), &self.text)
            }
        }
    }

    /// Returns the cost of a bcrypt.
    pub(super) fn bcrypt_cost(&self) -> Option<u32> {
        match self.scheme {
            Scheme::Bcrypt(_) => bcrypt_cost(self.bare_bcrypt()),
            Scheme::Scrypt(_) | Scheme::Pbkdf2(_) => None,
        }
    }

    fn bare_bcrypt(&self) -> &str {
        let parts = self.text.split_once(':');
        parts.map_or(self.text.as_str(), |(_, bare)| bare)
    }
}

impl std::fmt::Debug for ForeignHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ForeignHash({})", self.kind())
    }
}

/// Returns the cost in the text of a bcrypt: `$2b$12$...`.
pub(super) fn bcrypt_cost(bare: &str) -> Option<u32> {
    bare.split('$').nth(2)?.parse().ok()
}

/// The highest bcrypt cost accepted is the highest that the server can be set to use.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=*PasswordPolicy::COSTS.end();

fn checked_bcrypt(bare: &str, maker: Maker) -> Result<Scheme, ForeignHashError> {
    // 2x marks hashes of a program that misread characters outside ASCII.
    if !["$2a$", "$2b$", "$2y$"]
        .iter()
        .any(|version| bare.starts_with(version))
    {
        return Err(ForeignHashError::Unknown);
    }
    let parts: HashParts = bare
        .parse()
        .map_err(|_| ForeignHashError::Damaged("60 characters of bcrypt"))?;
    match parts.get_cost() {
        cost if BCRYPT_COSTS.contains(&cost) => Ok(Scheme::Bcrypt(maker)),
        ..4 => Err(ForeignHashError::Damaged("cost")),
        _ => Err(ForeignHashError::TooDear("bcrypt's cost is at most 16")),
    }
}

/// `scrypt:N:r:p$salt$digits`: 64 bytes, the salt as text (Werkzeug since 2.3, by default since
/// 3.0).
struct Scrypt {
    params: scrypt::Params,
    salt: String,
    key: Vec<u8>,
}

impl Scrypt {
    const KEY_BYTES: usize = 64;
    /// Werkzeug's default (N 32768, r 8, p 1) takes 32 MiB. Each hashing thread may need this much
    /// at once.
    const MAX_MEMORY: u64 = 256 << 20;
    /// Sixteen times the work of Werkzeug's default.
    const MAX_WORK: u64 = 1 << 22;
    const DAMAGED: ForeignHashError = ForeignHashError::Damaged("N, r and p");

    fn parse(rest: &str) -> Result<Self, ForeignHashError> {
        let fields = Fields::parse(rest)?;
        let numbers: Option<Vec<u32>> = fields.method.split(':').map(number).collect();
        let Some([n, r, p]) = numbers.as_deref() else {
            return Err(Self::DAMAGED);
        };
        Ok(Self {
            params: Self::params(*n, *r, *p)?,
            salt: fields.salt.to_owned(),
            key: bytes(fields.digits, Self::KEY_BYTES)?,
        })
    }

    fn params(n: u32, r: u32, p: u32) -> Result<scrypt::Params, ForeignHashError> {
        let product = |factors: [u64; 3]| factors.into_iter().fold(1, u64::saturating_mul);
        if product([u64::from(n) + u64::from(p), r.into(), 128]) > Self::MAX_MEMORY {
            let limit = "scrypt gets at most 256 MiB of memory";
            return Err(ForeignHashError::TooDear(limit));
        }
        if product([n.into(), r.into(), p.into()]) > Self::MAX_WORK {
            let limit = "scrypt's N × r × p is at most 4194304";
            return Err(ForeignHashError::TooDear(limit));
        }
        if n < 2 || !n.is_power_of_two() {
            return Err(Self::DAMAGED);
        }
        let log_n = u8::try_from(n.ilog2()).map_err(|_| Self::DAMAGED)?;
        scrypt::Params::new(log_n, r, p).map_err(|_| Self::DAMAGED)
    }

    fn verify(&self, password: &str) -> bool {
        let mut key = [0; Self::KEY_BYTES];
        let made = scrypt::scrypt(
            password.as_bytes(),
            self.salt.as_bytes(),
            &self.params,
            &mut key,
        );
        made.is_ok() && key.ct_eq(&self.key).into()
    }
}

/// `pbkdf2:digest:iterations$salt$digits`, the salt as text.
struct Pbkdf2 {
    prf: Prf,
    iterations: NonZero<u32>,
    salt: String,
    key: Vec<u8>,
}

impl Pbkdf2 {
    /// Ten times the default of Werkzeug 3.1.
    const MAX_ITERATIONS: u32 = 10_000_000;

    fn parse(rest: &str) -> Result<Self, ForeignHashError> {
        let fields = Fields::parse(rest)?;
        let (name, iterations) = fields
            .method
            .split_once(':')
            .ok_or(ForeignHashError::NoIterations)?;
        let (prf, length) = match name {
            "sha1" => (Prf::Sha1, 20),
            "sha256" => (Prf::Sha256, 32),
            "sha384" => (Prf::Sha384, 48),
            "sha512" => (Prf::Sha512, 64),
            _ => return Err(ForeignHashError::Unknown),
        };
        let iterations = number(iterations)
            .and_then(NonZero::new)
            .ok_or(ForeignHashError::Damaged("number of iterations"))?;
        if iterations.get() > Self::MAX_ITERATIONS {
            return Err(ForeignHashError::TooDear(
                "PBKDF2 gets at most 10000000 iterations",
            ));
        }
        Ok(Self {
            prf,
            iterations,
            salt: fields.salt.to_owned(),
            key: bytes(fields.digits, length)?,
        })
    }

    fn verify(&self, password: &str) -> bool {
        let mut key = vec![0; self.key.len()];
        let (password, salt) = (password.as_bytes(), self.salt.as_bytes());
        self.prf.derive(password, salt, self.iterations, &mut key);
        key.ct_eq(&self.key).into()
    }
}

/// A hash of Werkzeug's: `method$salt$digits`.
struct Fields<'a> {
    method: &'a str,
    salt: &'a str,
    digits: &'a str,
}

impl<'a> Fields<'a> {
    /// Splits a text as Werkzeug does.
    fn parse(text: &'a str) -> Result<Self, ForeignHashError> {
        let mut parts = text.splitn(3, '$');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(method), Some(salt), Some(digits)) if (1..=MAX_SALT).contains(&salt.len()) => {
                Ok(Self {
                    method,
                    salt,
                    digits,
                })
            }
            _ => Err(ForeignHashError::Damaged("salt")),
        }
    }
}

/// In bytes. Werkzeug's have 16.
const MAX_SALT: usize = 256;

/// Parses digits only; a number larger than 32 bits becomes the largest.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Parses this many bytes in hexadecimal digits.
fn bytes(digits: &str, length: usize) -> Result<Vec<u8>, ForeignHashError> {
    let halves: Option<Vec<u8>> = digits
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let halves = halves
        .filter(|halves| halves.len() == 2 * length)
        .ok_or(ForeignHashError::Damaged("digits"))?;
    let byte = |pair: &[u8]| pair.iter().fold(0, |byte, half| (byte << 4) | half);
    Ok(halves.chunks_exact(2).map(byte).collect())
}

fn hexadecimal(digest: &[u8]) -> String {
    let digits = digest.iter();
    digits.map(|byte| format!("{byte:02x}")).collect()
}
