//! Implements the queue in front of the hashing threads, which shares them fairly between clients.
//!
//! Fairness has two levels: sites take turns, and within a site its networks do. An attacker with
//! many networks of one site therefore has one site's share.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The client that a password is hashed for. The queue shares the threads fairly between clients.
///
/// A client is a network within a site, such as an IPv6 /64 within a /48. The queue only compares
/// the names for equality. The default is a client of its own: the program itself.
///
/// ```
/// use tokenpair_store::password::{HashingClient, Password, PasswordPolicy, Passwords};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let policy = PasswordPolicy { cost: 10, ..PasswordPolicy::default() };
/// let passwords = Passwords::start(policy)?;
/// let client = HashingClient::new("2001:db8:1::/48", "2001:db8:1:2::/64");
/// let typed = Password::new("correct horse".to_owned());
/// let found = passwords.on_behalf_of(client).verify(typed, None).await?;
/// assert!(!found.is_right());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HashingClient {
    site: String,
    network: String,
}

impl HashingClient {
    /// Creates a client from the names of a network and its site.
    pub fn new(site: impl Into<String>, network: impl Into<String>) -> Self {
        Self {
            site: site.into(),
            network: network.into(),
        }
    }
}

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// A bounded queue of jobs that its threads take in a fair order.
pub(super) struct Queue {
    line: Mutex<Line>,
    changed: Condvar,
}

/// The jobs that wait or run. A site or network without jobs is dropped, so memory is bounded by
/// the queue's length and the number of threads.
struct Line {
    sites: HashMap<String, Site>,
    waiting: usize,
    running: usize,
    /// The maximum number of jobs that wait.
    length: usize,
    /// The number of jobs that may run for any clients.
    cores: usize,
    /// Counts turns, to find the least recent.
    clock: u64,
    closed: bool,
}

struct Site {
    turn: u64,
    waiting: usize,
    running: usize,
    networks: HashMap<String, Network>,
}

struct Network {
    /// The turn in which its last job was taken, or it joined.
    turn: u64,
    running: usize,
    jobs: VecDeque<Job>,
}

impl Queue {
    pub(super) fn new(length: usize, cores: usize) -> Self {
        Self {
            line: Mutex::new(Line::new(length, cores)),
            changed: Condvar::new(),
        }
    }

    /// Returns the number of threads to call [`Queue::work`] on: twice as many as one site may keep
    /// busy, so that a newcomer does not wait for another client's job to end.
    pub(super) const fn threads(cores: usize) -> usize {
        2 * cores
    }

    /// Adds a job. If the queue is full, the client with the most jobs loses its newest. A lost or
    /// rejected job is dropped without having run.
    pub(super) fn push(&self, client: &HashingClient, job: Job) {
        if self.lock().push(client, job) {
            self.changed.notify_one();
        }
    }

    /// Returns the number of jobs that wait, and of those that run.
    pub(super) fn load(&self) -> (usize, usize) {
        let line = self.lock();
        (line.waiting, line.running)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting == 0
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Runs jobs until the queue is closed.
    pub(super) fn work(&self) {
        let mut line = self.lock();
        while !line.closed {
            let Some((client, job)) = line.take() else {
                line = self
                    .changed
                    .wait(line)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            // Taking or finishing a job may allow another to run.
            if line.waiting > 0 {
                self.changed.notify_one();
            }
            drop(line);
            // The panic hook has logged it, and dropping the job answers the client.
            let _panicked = catch_unwind(AssertUnwindSafe(job));
            line = self.lock();
            line.finish(&client);
        }
    }

    /// Ends the threads. Jobs that wait are dropped.
    pub(super) fn close(&self) {
        let mut line = self.lock();
        line.closed = true;
        line.sites.clear();
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn new(length: usize, cores: usize) -> Self {
        Self {
            sites: HashMap::new(),
            waiting: 0,
            running: 0,
            length,
            cores,
            clock: 0,
            closed: false,
        }
    }

    /// Returns whether the job was added.
    fn push(&mut self, client: &HashingClient, job: Job) -> bool {
        if !self.has_room(client) && !self.make_room(client) {
            return false;
        }
        self.clock += 1;
        let turn = self.clock;
        let site = self
            .sites
            .entry(client.site.clone())
            .or_insert_with(|| Site::joined(turn));
        let network = site
            .networks
            .entry(client.network.clone())
            .or_insert_with(|| Network::joined(turn));
        network.jobs.push_back(job);
        site.waiting += 1;
        self.waiting += 1;
        true
    }

    /// Takes the oldest job of the network, in the site, whose turn is longest ago. Past one job
    /// per core, only sites without a running job get a thread: one site fills the cores, and a
    /// newcomer starts at once and shares them.
    fn take(&mut self) -> Option<(HashingClient, Job)> {
        let any = self.running < self.cores;
        let ready_site = |site: &Site| site.waiting > 0 && (any || site.running == 0);
        let (site_name, site) = self
            .sites
            .iter_mut()
            .filter(|(_, site)| ready_site(site))
            .min_by_key(|(_, site)| site.turn)?;
        let (name, network) = site
            .networks
            .iter_mut()
            .filter(|(_, network)| !network.jobs.is_empty())
            .min_by_key(|(_, network)| network.turn)?;
        let job = network.jobs.pop_front()?;
        self.clock += 1;
        network.turn = self.clock;
        network.running += 1;
        site.turn = self.clock;
        site.waiting -= 1;
        site.running += 1;
        self.waiting -= 1;
        self.running += 1;
        Some((HashingClient::new(site_name.as_str(), name.as_str()), job))
    }

    fn finish(&mut self, client: &HashingClient) {
        self.running -= 1;
        if let Some(site) = self.sites.get_mut(&client.site) {
            site.running -= 1;
            if let Some(network) = site.networks.get_mut(&client.network) {
                network.running -= 1;
            }
        }
        self.forget(client);
    }

    /// Returns whether a job of `client` may wait. A newcomer's may also if it only waits for an
    /// idle thread to wake up.
    fn has_room(&self, client: &HashingClient) -> bool {
        let idle = Queue::threads(self.cores) - self.running;
        let newcomer = !self.sites.contains_key(&client.site);
        let places = if newcomer {
            self.length + idle
        } else {
            self.length
        };
        self.waiting < places
    }

    /// Makes room for a job of `client`: the site with the most jobs, and in it the network with
    /// the most, loses its newest, if it would still have no fewer than the client. Returns whether
    /// there is room.
    fn make_room(&mut self, client: &HashingClient) -> bool {
        let own_site = self.sites.get(&client.site);
        let own_network = own_site.and_then(|site| site.networks.get(&client.network));
        let own_jobs = own_site.map_or(0, Site::jobs);
        let own_network_jobs = own_network.map_or(0, Network::jobs);
        let waiting = self.sites.iter().filter(|(_, site)| site.waiting > 0);
        let Some((largest, site)) = waiting.max_by_key(|(_, site)| site.jobs()) else {
            return false;
        };
        // If no other site has more, the client's own site must make room.
        let elsewhere = site.jobs() > own_jobs + 1;
        let name = if elsewhere { largest } else { &client.site }.clone();
        let Some(site) = self.sites.get_mut(&name) else {
            return false;
        };
        let loser = site
            .networks
            .iter_mut()
            .filter(|(_, network)| !network.jobs.is_empty())
            .max_by_key(|(_, network)| network.jobs())
            .filter(|(_, network)| elsewhere || network.jobs() > own_network_jobs + 1);
        let Some((network_name, network)) = loser else {
            return false;
        };
        let _lost = network.jobs.pop_back();
        site.waiting -= 1;
        self.waiting -= 1;
        let loser = HashingClient::new(name, network_name.as_str());
        self.forget(&loser);
        true
    }

    /// Drops the state of a client without jobs.
    fn forget(&mut self, client: &HashingClient) {
        let Some(site) = self.sites.get_mut(&client.site) else {
            return;
        };
        let network = site.networks.get(&client.network);
        if network.is_some_and(|network| network.jobs() == 0) {
            site.networks.remove(&client.network);
        }
        if site.jobs() == 0 {
            self.sites.remove(&client.site);
        }
    }
}

impl Site {
    fn joined(turn: u64) -> Self {
        Self {
            turn,
            waiting: 0,
            running: 0,
            networks: HashMap::new(),
        }
    }

    const fn jobs(&self) -> usize {
        self.waiting + self.running
    }
}

impl Network {
    fn joined(turn: u64) -> Self {
        Self {
            turn,
            running: 0,
            jobs: VecDeque::new(),
        }
    }

    fn jobs(&self) -> usize {
        self.jobs.len() + self.running
    }
}

#[cfg(test)]
mod tests;
