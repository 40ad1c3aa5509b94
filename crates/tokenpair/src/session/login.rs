//! Defines [`Login`]: the details of a login that its session records.

use std::net::IpAddr;

/// The device and address of a login.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// The `User-Agent`.
    pub user_agent: Option<String>,
    /// The peer's address.
    pub ip: Option<IpAddr>,
}

/// A login to be recorded.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::Login;
/// use tokenpair::session::Device;
///
/// # tokenpair::sample::run(async {
/// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
/// # let now = Timestamp::from_unix(1_800_000_000);
/// let phone = Device { user_agent: Some("Phone 1".to_owned()), ip: Some([192, 0, 2, 1].into()) };
/// let login = Login { remember: true, device: phone, ..Login::default() };
/// assert!(sessions.login(&ada, login, now).await?.remember);
/// assert_eq!(sessions.list("1", now).await?[0].user_agent.as_deref(), Some("Phone 1"));
/// # Ok(()) });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// Whether cookies outlive the browser.
    pub remember: bool,
    /// The device of the login.
    pub device: Device,
    /// How the tokens reach the client. Default: in cookies.
    pub delivery: Delivery,
}

/// How a login's tokens reach the client.
///
/// Only a session whose tokens are in cookies is [reissued](super::Sessions::reissue). A client
/// that keeps its tokens itself refreshes them. The login decides; refreshing in another way later
/// does not change it.
///
/// ```
/// use tokenpair::session::Delivery;
///
/// assert_eq!(Delivery::Body.word(), "body");
/// assert_eq!(Delivery::from_word("cookies"), Delivery::Cookies);
/// assert_eq!(Delivery::from_word("a later version's"), Delivery::Body);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Delivery {
    /// In cookies, which browsers keep and scripts cannot read.
    #[default]
    Cookies,
    /// In the response body. The client stores them and sends them in a header.
    Body,
}

impl Delivery {
    /// Returns the word that stores keep.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cookies => "cookies",
            Self::Body => "body",
        }
    }

    /// Returns the delivery for a word. An unknown word counts as [`Body`](Self::Body), which is
    /// never reissued.
    pub fn from_word(word: &str) -> Self {
        match word {
            "cookies" => Self::Cookies,
            _ => Self::Body,
        }
    }
}
