//! Defines [`PasswordPolicy`], the settings `PASSWORD_*`.

/// The policy for passwords and hashing.
///
/// ```
/// use tokenpair_store::password::{Password, PasswordPolicy, Passwords};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert!(PasswordPolicy::COSTS.contains(&10));
/// let passwords = Passwords::start(PasswordPolicy { cost: 10, ..PasswordPolicy::default() })?;
/// let hash = passwords.hash(Password::new("correct horse".to_owned())).await?;
/// assert!(hash.expose().starts_with("$2b$10$"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PasswordPolicy {
    /// bcrypt's cost (`PASSWORD_BCRYPT_COST`): each step doubles the time. Default: 12.
    pub cost: u32,
    /// The maximum number of passwords that wait for a thread (`PASSWORD_QUEUE`). Past it, the
    /// [`HashingClient`](super::HashingClient) with the most jobs loses its newest, with
    /// [`PasswordError::Busy`](super::PasswordError::Busy). Default: 64.
    pub queue: usize,
    /// The minimum length of a new password, in characters (`PASSWORD_MIN_LENGTH`; OWASP ASVS 5.0,
    /// 6.2.1). Default: 8.
    pub min_chars: usize,
}

impl PasswordPolicy {
    /// The accepted minimum lengths: at least 8, and passwords of 64 characters must be allowed
    /// (OWASP ASVS 5.0, 6.2.9).
    pub const MIN_CHARS: std::ops::RangeInclusive<usize> = 8..=64;

    /// The accepted costs: less than 10 is too cheap to crack (OWASP), more than 16 takes seconds.
    pub const COSTS: std::ops::RangeInclusive<u32> = 10..=16;
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            cost: 12,
            queue: 64,
            min_chars: 8,
        }
    }
}
