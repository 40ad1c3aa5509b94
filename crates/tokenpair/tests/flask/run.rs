//! Starts both programs under each set of settings, sends the same requests to both, and reports
//! differences.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::cases::{Case, Cases};
use super::compare::{self, differences};
use super::http::{Request, Response};
use super::intended_differences;
use super::keys::Keys;
use super::servers::{Program, Side};
use super::settings::{self, Setting};

/// The number of sets compared at once: each starts two programs.
const AT_ONCE: usize = 3;

/// The number of differences that a report shows in full.
const SHOWN: usize = 40;

/// The result of one or more sets.
#[derive(Default, Debug)]
pub(crate) struct Outcome {
    pub(crate) asked: usize,
    unequal: Vec<Unequal>,
    /// The intended differences that occurred, by their numbers in the list.
    pub(crate) met: BTreeSet<usize>,
}

/// A request with different responses.
#[derive(Debug)]
struct Unequal {
    kind: &'static str,
    fields: Vec<String>,
    report: String,
}

impl Outcome {
    /// Returns every field in which responses differed.
    pub(crate) fn fields(&self) -> BTreeSet<&str> {
        let fields = self.unequal.iter().flat_map(|unequal| &unequal.fields);
        fields.map(String::as_str).collect()
    }

    fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.unequal.extend(other.unequal);
        self.met.extend(other.met);
    }

    #[track_caller]
    pub(crate) fn assert_equal(&self) {
        assert!(self.unequal.is_empty(), "{}", self.report());
    }

    fn report(&self) -> String {
        let mut text = format!(
            "{} of {} requests were answered differently\n",
            self.unequal.len(),
            self.asked
        );
        for unequal in self.unequal.iter().take(SHOWN) {
            text.push_str(&unequal.report);
        }
        let mut kinds: BTreeMap<(&str, &[String]), usize> = BTreeMap::new();
        for unequal in &self.unequal {
            *kinds.entry((unequal.kind, &unequal.fields)).or_default() += 1;
        }
        text.push_str("\nIn all, by kind:\n");
        for ((kind, fields), count) in kinds {
            writeln!(text, "{count:6}  {kind}: {}", fields.join(", ")).unwrap();
        }
        text
    }
}

/// Compares every set, with `ours` beside the peer.
pub(crate) fn compare_all(ours: Program) -> Outcome {
    let keys = Keys::generate();
    let sets = settings::all(&keys);
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new(Outcome::default());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(set) = sets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let one = compare_one((Program::Peer, ours), (set, set), &keys);
                    outcome.lock().unwrap().add(one);
                }
            });
        }
    });
    outcome.into_inner().unwrap()
}

/// Compares two programs, each with its own set; the requests are those of the first.
pub(crate) fn compare_one(
    programs: (Program, Program),
    sets: (&Setting, &Setting),
    keys: &Keys,
) -> Outcome {
    let mut sides = (
        Side::start(programs.0, sets.0),
        Side::start(programs.1, sets.1),
    );
    sides.0.wait();
    sides.1.wait();
    let now = now();
    let turn = sets.0.name.bytes().map(usize::from).sum();
    let pair = Pair {
        setting: sets.0,
        sides,
        now,
    };
    let mut outcome = Outcome::default();
    for case in Cases::new(sets.0, keys, now, turn).all() {
        pair.ask(&case, &mut outcome);
    }
    pair.ask_with_tokens_of_either(&mut outcome);
    outcome
}

struct Pair<'a> {
    setting: &'a Setting,
    sides: (Side, Side),
    now: i64,
}

impl Pair<'_> {
    fn ask(&self, case: &Case, outcome: &mut Outcome) -> (Response, Response) {
        let theirs = answer(&self.sides.0, &case.request);
        let ours = answer(&self.sides.1, &case.request);
        outcome.asked += 1;
        let found = differences(&theirs, &ours, self.now);
        if found.is_empty() {
            return (theirs, ours);
        }
        if let Some(entries) = intended_differences::allowing(case, (&theirs, &ours), &found) {
            outcome.met.extend(entries);
            return (theirs, ours);
        }
        let mut report = format!(
            "\n[{}] {}: {}\n    peer: {theirs}\n    ours: {ours}\n",
            self.setting.name, case.kind, case.request
        );
        for one in &found {
            let line = writeln!(report, "  - {}: {} / {}", one.field, one.theirs, one.ours);
            line.unwrap();
        }
        outcome.unequal.push(Unequal {
            kind: case.kind,
            fields: found.into_iter().map(|one| one.field).collect(),
            report,
        });
        (theirs, ours)
    }

    /// Logs in on both sides and sends the tokens of each to both.
    fn ask_with_tokens_of_either(&self, outcome: &mut Outcome) {
        let user = json!({ "username": "test", "password": "test" });
        let login = Case::new("login", Request::new("POST", "/login").json(&user));
        let (theirs, ours) = self.ask(&login, outcome);
        for (kind, login) in [("a token of the peer", theirs), ("a token of ours", ours)] {
            let Some(body) = login.json().filter(|_| login.status == 200) else {
                continue;
            };
            for case in self.with_tokens(kind, &body) {
                let (theirs, ours) = self.ask(&case, outcome);
                if self.setting.accepts_its_own_tokens() {
                    let report = format!("[{}] {}", self.setting.name, case.request);
                    assert_eq!(
                        (theirs.status, ours.status),
                        (200, 200),
                        "{report}\n{theirs}\n{ours}"
                    );
                }
            }
        }
    }

    fn with_tokens(&self, kind: &'static str, login: &Value) -> Vec<Case> {
        let mut all = Vec::new();
        for (method, path) in [
            ("GET", "/protected"),
            ("POST", "/fresh"),
            ("DELETE", "/protected"),
            ("POST", "/refresh"),
        ] {
            let refresh = path == "/refresh";
            let name = if refresh {
                "refresh_token"
            } else {
                "access_token"
            };
            let token = login[name].as_str().unwrap();
            for location in self.setting.locations() {
                let request = Request::new(method, path);
                let request = self.placed(request, &location, token, refresh);
                all.push(Case::new(kind, request));
            }
        }
        all
    }

    fn placed(&self, request: Request, location: &str, token: &str, refresh: bool) -> Request {
        let setting = self.setting;
        match location {
            "headers" => {
                let value = format!("{}{token}", setting.scheme());
                request.header(&setting.header_name(), value)
            }
            "cookies" => {
                let csrf = compare::claims(token);
                let csrf = csrf.get("csrf").and_then(Value::as_str).unwrap_or_default();
                request
                    .cookie(&setting.cookie_name(refresh), token)
                    .header(&setting.csrf_header(refresh), csrf)
            }
            "query_string" => {
                let value = format!("{}{token}", setting.query_prefix());
                request.query(&setting.query_name(), &value)
            }
            _ => request.json(&json!({ setting.json_key(refresh): token })),
        }
    }
}

fn answer(side: &Side, request: &Request) -> Response {
    let answer = request.send(side.address);
    answer.unwrap_or_else(|error| panic!("{request}\n{error}\n{}", side.said()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "both programs go by the machine's clock"
)]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs().try_into().unwrap()
}
