//! Throttles: whose failures are counted, and under which ids. The tallies are in the database, so all servers share them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::accounts::AccountError;
use super::network::network;
use crate::session::Act;
use crate::store::{DieselStore, Username};
use crate::throttle::{Counter, Decision, Rule, ThrottlePolicy};

/// Counts failures and makes wait. Without a policy it admits everyone. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Throttle(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    policy: ThrottlePolicy,
    key: hmac::Key,
    store: DieselStore,
    /// How many attempts of each counter this server has admitted and not yet seen the end of.
    under_way: Mutex<HashMap<String, u32>>,
}

/// An attempt that was admitted: what a failure of it is counted in, and what a success of it forgives.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) counters: Vec<Counter>,
    forgiven: Vec<String>,
    store: Option<DieselStore>,
    _under_way: Option<UnderWay>,
}

impl Throttle {
    /// Under a policy, if there is one. The key hides names and addresses, and is the same on all servers.
    pub(super) fn new(policy: Option<ThrottlePolicy>, key: hmac::Key, store: DieselStore) -> Self {
        let inner = policy.map(|policy| Inner {
            policy,
            key,
            store,
            under_way: Mutex::default(),
        });
        Self(inner.map(Arc::new))
    }

    /// Admits a login by a name that someone has or nobody has: both are counted alike.
    pub(super) async fn login(&self, name: &str, act: &Act) -> Result<Attempt, AccountError> {
        let Some(inner) = &self.0 else {
            return Ok(Attempt::default());
        };
        let parsed = Username::parse(name);
        let name = parsed.as_ref().map_or(name, Username::key);
        let network = network(act);
        let here = inner.counter("account", &network, name, inner.policy.account());
        let rule = inner.policy.account_everywhere();
        let everywhere = inner.counter("account from all networks", "", name, rule);
        let account = vec![here, everywhere];
        Inner::admit(inner, account, inner.network(&network), act).await
    }

    /// Admits a password that a user who is logged in gives once more. It is counted apart from logins, so that nobody
    /// outside can keep a user from changing a password.
    pub(super) async fn confirmation(
        &self,
        user_id: &str,
        act: &Act,
    ) -> Result<Attempt, AccountError> {
        let Some(inner) = &self.0 else {
            return Ok(Attempt::default());
        };
        let account = inner.counter("confirmation", "", user_id, inner.policy.account());
        let network = inner.network(&network(act));
        Inner::admit(inner, vec![account], network, act).await
    }

    /// Admits a registration. Each is counted, since the answer tells whether someone has the name.
    pub(super) async fn registration(&self, act: &Act) -> Result<(), AccountError> {
        let Some(inner) = &self.0 else {
            return Ok(());
        };
        let rule = inner.policy.peer();
        let counter = inner.counter("registration", &network(act), "", rule);
        let number = inner.store.count_attempt(counter, act).await?;
        if number > i64::from(inner.policy.peer.count) {
            let wait = rule.forgotten(act.at).since(act.at);
            return Err(AccountError::TooManyAttempts(wait));
        }
        Ok(())
    }
}

impl Inner {
    fn counter(&self, word: &'static str, network: &str, name: &str, rule: Rule) -> Counter {
        let text = format!("{word}\0{network}\0{name}");
        let digest = hmac::sign(&self.key, text.as_bytes());
        let id = URL_SAFE_NO_PAD.encode(digest);
        Counter { id, rule, word }
    }

    fn network(&self, network: &str) -> Counter {
        self.counter("network", network, "", self.policy.peer())
    }

    /// The first of `account` also counts what is under way here, so that attempts that come at once are no more than
    /// those that come one after the other.
    async fn admit(
        inner: &Arc<Self>,
        account: Vec<Counter>,
        network: Counter,
        act: &Act,
    ) -> Result<Attempt, AccountError> {
        let begun = account.first().map(|first| UnderWay::begin(inner, first));
        let mut others = begun.as_ref().map_or(0, |(_, others)| *others);
        let mut forgiven: Vec<String> = account.iter().map(|counter| counter.id.clone()).collect();
        let counters = [account, vec![network]].concat();
        let ids = counters.iter().map(|counter| counter.id.clone());
        let tallies = inner.store.tallies(ids.collect()).await?;
        let mut wait = Duration::ZERO;
        for counter in &counters {
            let tally = tallies.get(&counter.id).copied();
            let others = std::mem::take(&mut others);
            if let Decision::Refuse(longer) = counter.rule.decide(tally, others, act.at) {
                wait = wait.max(longer);
            }
        }
        if !wait.is_zero() {
            return Err(AccountError::TooManyAttempts(wait));
        }
        forgiven.retain(|id| tallies.contains_key(id));
        Ok(Attempt {
            counters,
            forgiven,
            store: Some(inner.store.clone()),
            _under_way: begun.map(|(under_way, _)| under_way),
        })
    }
}

impl Attempt {
    /// The password was right: what was counted for the account is forgotten, and what was for the network is not.
    pub(super) async fn succeeded(self) -> Result<(), AccountError> {
        match self.store {
            Some(store) if !self.forgiven.is_empty() => {
                Ok(store.forget_failures(self.forgiven).await?)
            }
            _ => Ok(()),
        }
    }
}

/// An attempt that is under way, until dropped.
#[derive(Debug)]
struct UnderWay {
    inner: Arc<Inner>,
    id: String,
}

impl UnderWay {
    /// Together with how many others are.
    fn begin(inner: &Arc<Inner>, counter: &Counter) -> (Self, u32) {
        let mut under_way = lock(&inner.under_way);
        let count = under_way.entry(counter.id.clone()).or_default();
        let others = *count;
        *count += 1;
        let begun = Self {
            inner: Arc::clone(inner),
            id: counter.id.clone(),
        };
        (begun, others)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut under_way = lock(&self.inner.under_way);
        match under_way.get_mut(&self.id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(under_way.remove(&self.id)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
