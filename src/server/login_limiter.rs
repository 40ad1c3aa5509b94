//! Implements the rate limits of logins: which failures are counted, and under which ids. The
//! counts are in the database, so all servers share them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::device_cookie::{DeviceKey, Devices};
use super::network::{network, wider};
use super::shared_key::SharedKey;
use tokenpair::session::{RequestContext, StoreError};
use tokenpair_store::rate_limit::{Counter, LimitDecision, LimitRule, Tally, ThrottlePolicy};
use tokenpair_store::{DieselStore, Refusal, Username};

/// Counts failures and makes clients back off. Without a policy it admits every attempt. Clones
/// share it.
#[derive(Clone, Debug, Default)]
pub(super) struct LoginLimiter(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    policy: ThrottlePolicy,
    key: hmac::Key,
    devices: DeviceKey,
    store: DieselStore,
    under_way: Mutex<AllUnderWay>,
}

/// The attempts in progress on this server.
#[derive(Debug, Default)]
struct AllUnderWay {
    /// The number of the next attempt.
    next: u64,
    /// The numbers of attempts, by counter.
    of: HashMap<String, BTreeSet<u64>>,
}

/// How often to check an attempt that is refused only because of others in progress.
const LOOKS: usize = 3;

/// An admitted attempt: the counters that a failure adds to, and the counters that a success
/// clears.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    counters: Vec<Counter>,
    /// Their counts when the attempt was admitted.
    tallies: HashMap<String, Tally>,
    forgiven: Vec<String>,
    _under_way: Option<UnderWay>,
}

/// Why an attempt was not admitted.
#[derive(Debug, Error)]
pub(super) enum NotAdmitted {
    /// Too many attempts failed. The next one is allowed after this time.
    #[error("too many attempts; try again in {} s", .0.as_secs())]
    TooManyAttempts(Duration),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LoginLimiter {
    /// Returns a limiter under a policy, if any. The key hides names and addresses, and is the same
    /// on all servers.
    pub(super) fn new(policy: Option<ThrottlePolicy>, key: &SharedKey, store: DieselStore) -> Self {
        let inner = policy.map(|policy| Inner {
            policy,
            key: key.derive(b"tokenpair throttle v1"),
            devices: DeviceKey::new(key),
            store,
            under_way: Mutex::default(),
        });
        Self(inner.map(Arc::new))
    }

    /// Admits a login. Known and unknown usernames are counted alike.
    ///
    /// A client with a device cookie of the account is counted by that cookie and its own network.
    /// It is exempt from the limits of wider networks and of all networks together, which attackers
    /// can exhaust. A device cookie that has reached its own limit is ignored.
    pub(super) async fn login(
        &self,
        name: &str,
        devices: &Devices,
        context: &RequestContext,
    ) -> Result<Attempt, NotAdmitted> {
        let Some(inner) = &self.0 else {
            return Ok(Attempt::default());
        };
        let name = key_of(name);
        let here = inner.counter("account", &network(context), &name, inner.policy.account());
        let device = inner.devices.nonce(devices, &name, context.at);
        if let Some(nonce) = device {
            let device = inner.counter("device", &nonce, &name, inner.policy.account());
            match Inner::admit(inner, vec![here.clone(), device], context).await {
                Err(NotAdmitted::TooManyAttempts(_)) => {}
                admitted => return admitted,
            }
        }
        let mut account = vec![here];
        account.extend(wider(context).iter().map(|wider| {
            let word = format!("account {}", wider.size);
            let rule = inner.policy.account_of(wider.times);
            inner.counter(&word, &wider.name, &name, rule)
        }));
        let rule = inner.policy.account_everywhere();
        account.push(inner.counter("account from all networks", "", &name, rule));
        Inner::admit(inner, account, context).await
    }

    /// Returns the device cookie of a client that has just logged in by that name. Its marks of
    /// other accounts are kept. `None` if nothing is counted.
    pub(super) fn device_cookie(
        &self,
        name: &str,
        devices: &Devices,
        context: &RequestContext,
    ) -> Option<String> {
        let inner = self.0.as_ref()?;
        Some(inner.devices.renewed(devices, &key_of(name), context.at))
    }

    /// Admits a password that a logged-in user confirms. Confirmations are counted separately from
    /// logins, so that outsiders cannot stop a user from changing the password. They are counted by
    /// session, so that the holder of a stolen session cannot either: the user logs in again and
    /// has another session. No limit over all sessions is needed, since each new session takes the
    /// password.
    pub(super) async fn confirmation(
        &self,
        user_id: &str,
        sid: Option<&str>,
        context: &RequestContext,
    ) -> Result<Attempt, NotAdmitted> {
        let Some(inner) = &self.0 else {
            return Ok(Attempt::default());
        };
        // Tokens of another server (JWT_ACCEPT_FOREIGN) have no session and count together.
        let sid = sid.unwrap_or_default();
        let account = inner.counter("confirmation", sid, user_id, inner.policy.account());
        Inner::admit(inner, vec![account], context).await
    }

    /// Admits a failed authentication of a client, which has counters of its own: a service that is
    /// set up wrongly must not keep users from logging in.
    pub(super) async fn client(&self, context: &RequestContext) -> Result<Attempt, NotAdmitted> {
        let Some(inner) = &self.0 else {
            return Ok(Attempt::default());
        };
        let counters = inner.networks("client", context);
        Inner::admit_by(inner, Vec::new(), counters, context).await
    }

    /// Admits a registration. Each one counts, since the response reveals whether the name is
    /// taken.
    pub(super) async fn registration(&self, context: &RequestContext) -> Result<(), NotAdmitted> {
        let Some(inner) = &self.0 else {
            return Ok(());
        };
        let counters = inner.networks("registration", context);
        let counted = inner.store.count_attempt(counters.clone(), context).await?;
        let refused = |counter: &&Counter| {
            let number = counted.get(&counter.id).copied().unwrap_or_default();
            counter.rule.is_exceeded(None, number, context.at)
        };
        let waits = counters.iter().filter(refused);
        let waits = waits.map(|counter| counter.rule.forgotten(context.at).since(context.at));
        match waits.max() {
            Some(wait) => Err(NotAdmitted::TooManyAttempts(wait)),
            None => Ok(()),
        }
    }
}

/// Returns the form in which a name is counted.
fn key_of(name: &str) -> String {
    let parsed = Username::parse(name);
    parsed.map_or_else(|_| name.to_owned(), |name| name.key().to_owned())
}

impl Inner {
    fn counter(&self, word: &str, network: &str, name: &str, rule: LimitRule) -> Counter {
        let text = format!("{word}\0{network}\0{name}");
        let digest = hmac::sign(&self.key, text.as_bytes());
        Counter {
            id: URL_SAFE_NO_PAD.encode(digest),
            rule,
            word: word.to_owned(),
        }
    }

    /// Returns the counters of the client's network and the wider ones, for all accounts together.
    fn networks(&self, word: &str, context: &RequestContext) -> Vec<Counter> {
        let own = self.counter(word, &network(context), "", self.policy.peer());
        let wider = wider(context);
        let wider = wider.iter().map(|wider| {
            let word = format!("{word} {}", wider.size);
            let rule = LimitRule::Window(self.policy.peer_of(wider.times));
            self.counter(&word, &wider.name, "", rule)
        });
        std::iter::once(own).chain(wider).collect()
    }

    /// Admits an attempt. Attempts in progress on this server count as failures, so that concurrent
    /// attempts are not allowed more than sequential ones.
    async fn admit(
        inner: &Arc<Self>,
        account: Vec<Counter>,
        context: &RequestContext,
    ) -> Result<Attempt, NotAdmitted> {
        let networks = inner.networks("network", context);
        Self::admit_by(inner, account, networks, context).await
    }

    async fn admit_by(
        inner: &Arc<Self>,
        account: Vec<Counter>,
        networks: Vec<Counter>,
        context: &RequestContext,
    ) -> Result<Attempt, NotAdmitted> {
        let forgiven = account.iter().map(|counter| counter.id.clone()).collect();
        let counters = [account, networks].concat();
        let under_way = UnderWay::begin(inner, &counters);
        let mut wait = Duration::ZERO;
        for _ in 0..LOOKS {
            // Counted before the tallies are read. An attempt that ends in between is in at least
            // one of the two. It may briefly be in both, so a refusal is checked again.
            let others = under_way.others(&counters);
            let tallies = inner.tallies(&counters).await?;
            let longest = |others: &[u32]| {
                let counters = counters.iter().zip(others);
                let waits = counters.filter_map(|(counter, others)| {
                    wait_of(counter, tallies.get(&counter.id), *others, context)
                });
                waits.max()
            };
            let Some(refused) = longest(&others) else {
                return Ok(Attempt {
                    counters,
                    tallies,
                    forgiven,
                    _under_way: Some(under_way),
                });
            };
            wait = refused;
            if longest(&vec![0; others.len()]).is_some() {
                break;
            }
        }
        Err(NotAdmitted::TooManyAttempts(wait))
    }

    async fn tallies(&self, counters: &[Counter]) -> Result<HashMap<String, Tally>, StoreError> {
        let ids = counters.iter().map(|counter| counter.id.clone());
        self.store.tallies(ids.collect()).await
    }
}

fn wait_of(
    counter: &Counter,
    tally: Option<&Tally>,
    others: u32,
    context: &RequestContext,
) -> Option<Duration> {
    match counter.rule.decide(tally.copied(), others, context.at) {
        LimitDecision::Admit => None,
        LimitDecision::Refuse(wait) => Some(wait),
    }
}

impl Attempt {
    /// Records that the password was right. Clears the counts of the account, but not those of the
    /// network.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted::TooManyAttempts`] if other servers have meanwhile counted so many failures
    /// that the attempt would not be admitted now. Any number of servers thus answers no more
    /// guesses than one server.
    pub(super) async fn succeeded(
        self,
        store: &DieselStore,
        context: &RequestContext,
    ) -> Result<(), NotAdmitted> {
        if self.counters.is_empty() {
            return Ok(());
        }
        let ids = self.counters.iter().map(|counter| counter.id.clone());
        let tallies = store.tallies(ids.collect()).await?;
        let waits = self.counters.iter();
        let waits =
            waits.filter_map(|counter| wait_of(counter, tallies.get(&counter.id), 0, context));
        if let Some(wait) = waits.max() {
            return Err(NotAdmitted::TooManyAttempts(wait));
        }
        let mut forgiven = self.forgiven;
        forgiven.retain(|id| tallies.contains_key(id));
        if forgiven.is_empty() {
            return Ok(());
        }
        Ok(store.forget_failures(forgiven).await?)
    }

    /// Records and counts a wrong password.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted::TooManyAttempts`] as in [`Attempt::succeeded`].
    pub(super) async fn failed(
        self,
        store: &DieselStore,
        refusal: Refusal,
        context: &RequestContext,
    ) -> Result<(), NotAdmitted> {
        let counted = store
            .record_refusal(refusal, self.counters.clone(), context)
            .await?;
        let exceeded = self.counters.iter().filter_map(|counter| {
            let failures = counted.get(&counter.id).copied()?;
            let before = self.tallies.get(&counter.id).copied();
            let exceeded = counter.rule.is_exceeded(before, failures, context.at);
            let now = Tally {
                failures,
                last: context.at,
                until: counter.rule.forgotten(context.at),
            };
            wait_of(counter, exceeded.then_some(&now), 0, context)
        });
        match exceeded.max() {
            Some(wait) => Err(NotAdmitted::TooManyAttempts(wait)),
            None => Ok(()),
        }
    }
}

/// An attempt in progress, until dropped.
#[derive(Debug)]
struct UnderWay {
    inner: Arc<Inner>,
    number: u64,
    ids: Vec<String>,
}

impl UnderWay {
    fn begin(inner: &Arc<Inner>, counters: &[Counter]) -> Self {
        let ids: Vec<String> = counters.iter().map(|counter| counter.id.clone()).collect();
        let mut all = lock(&inner.under_way);
        let number = all.next;
        all.next += 1;
        for id in &ids {
            all.of.entry(id.clone()).or_default().insert(number);
        }
        Self {
            inner: Arc::clone(inner),
            number,
            ids,
        }
    }

    /// Returns, for each counter, the number of earlier attempts still in progress.
    fn others(&self, counters: &[Counter]) -> Vec<u32> {
        let all = lock(&self.inner.under_way);
        let before = counters.iter().map(|counter| {
            let numbers = all.of.get(&counter.id);
            numbers.map_or(0, |numbers| numbers.range(..self.number).count())
        });
        before
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX))
            .collect()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut all = lock(&self.inner.under_way);
        for id in &self.ids {
            if let Some(numbers) = all.of.get_mut(id) {
                numbers.remove(&self.number);
                if numbers.is_empty() {
                    all.of.remove(id);
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
