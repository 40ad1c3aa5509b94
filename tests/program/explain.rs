//! Tests `tokenpair session explain`: the life of a session, and the response that each of its
//! refresh tokens would get. The tests move the times of the row, as if the clock had been set.

use serde_json::{Value, json};
use tokenpair::clock::Clock;

use crate::database::{Backend, Database};
use crate::exchange::ADA;
use crate::support::{Program, Served};

struct Setup {
    database: Database,
    program: Program,
    served: Served,
    refresh: String,
    id: String,
}

impl Setup {
    fn new(on: Backend) -> Self {
        let database = Database::create(on);
        let program = Program::new().env("DATABASE_URL", &database.url());
        let served = program.serve();
        served.log_in_a_new_user(ADA.0, ADA.1);
        let [_, refresh] = served.log_in(ADA.0, ADA.1);
        let sessions = program.run(&["session", "list", ADA.0, "--json"]).done();
        let sessions: Value = serde_json::from_str(&sessions).unwrap();
        // The newest comes first.
        let id = sessions[0]["id"].as_str().unwrap().to_owned();
        Self {
            database,
            program,
            served,
            refresh,
            id,
        }
    }

    /// Refreshes with the given token. Returns the status and the new refresh token, or the code.
    fn refresh(&self, token: &str) -> (u16, String) {
        let (status, answer) = self.served.send("POST", "/refresh", Some(token), None);
        let text = answer.get("refresh_token").or_else(|| answer.get("code"));
        (status, text.unwrap().as_str().unwrap().to_owned())
    }

    /// Moves times of the row by `seconds` into the past.
    fn age(&self, columns: &[&str], seconds: i64) {
        for column in columns {
            let id = &self.id;
            let age =
                format!("UPDATE sessions SET {column} = {column} - {seconds} WHERE id = '{id}'");
            self.database.execute(&age);
        }
    }

    fn explain(&self) -> Value {
        let text = self
            .program
            .run(&["session", "explain", &self.id, "--json"])
            .done();
        serde_json::from_str(&text).unwrap()
    }

    /// Returns the verdict of each token by its role.
    fn verdicts(&self) -> Value {
        let life = self.explain();
        let tokens = life["tokens"].as_array().unwrap().iter();
        let part = |token: &Value| {
            let role = token["role"].as_str().unwrap().to_owned();
            (role, token["verdict"].clone())
        };
        Value::Object(tokens.map(part).collect())
    }
}

const TIMES: [&str; 2] = ["rotated_at", "handed_at"];

fn each_token_gets_the_verdict_that_the_server_then_gives(on: Backend) {
    let setup = Setup::new(on);
    // A new session's first token buys a pair at once.
    assert_eq!(
        setup.verdicts(),
        json!({ "newer": "forward", "current": "rotated" })
    );
    let first = setup.refresh.clone();
    let (_, second) = setup.refresh(&first);
    assert_eq!(
        setup.verdicts(),
        json!({ "newer": "forward", "current": "repeated", "previous": "same" })
    );
    assert_eq!(setup.refresh(&first), (200, second.clone()));
    // Past the window, and the successor was never presented.
    setup.age(&TIMES, 61);
    assert_eq!(
        setup.verdicts(),
        json!({ "newer": "forward", "current": "rotated", "previous": "recovered" })
    );
    let (_, third) = setup.refresh(&first);
    assert_eq!(
        setup.verdicts(),
        json!({ "newer": "forward", "current": "repeated", "orphan": "reused", "previous": "same" })
    );
    let life = setup.explain();
    let kinds = life["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["kind"]);
    assert_eq!(Vec::from_iter(kinds), ["login", "refresh_recovered"]);
    // The third is presented, and half a window later nobody honest still sends the first.
    setup.age(&TIMES, 61);
    let (_, _fourth) = setup.refresh(&third);
    let (status, _) = setup.refresh(&third);
    assert_eq!(status, 200);
    let presented = format!(
        "UPDATE sessions SET confirmed_at = rotated_at WHERE id = '{}'",
        setup.id
    );
    setup.database.execute(&presented);
    setup.age(&["rotated_at", "handed_at", "confirmed_at"], 31);
    assert_eq!(
        setup.verdicts(),
        json!({ "newer": "forward", "current": "repeated", "previous": "reused", "older": "reused" })
    );
    assert_eq!(
        setup.refresh(&third),
        (401, "refresh_token_reused".to_owned())
    );
    assert_eq!(
        setup.verdicts(),
        json!({ "newer": "ended", "current": "ended", "previous": "ended", "older": "ended" })
    );
    assert_eq!(setup.explain()["state"], "reuse");
}

fn a_barred_token_is_superseded_and_the_strict_policy_forgives_nothing(on: Backend) {
    let mut setup = Setup::new(on);
    setup.refresh(&setup.refresh);
    let bar = |yes: &str| {
        let id = &setup.id;
        let bar = format!("UPDATE sessions SET previous_barred = {yes} WHERE id = '{id}'");
        setup.database.execute(&bar);
    };
    bar("TRUE");
    assert_eq!(setup.verdicts()["previous"], "superseded");
    let life = setup.explain();
    let previous = &life["tokens"][2];
    assert_eq!(previous["code"], "refresh_superseded");
    assert_eq!(previous["ends_session"], false);
    bar("FALSE");
    setup.program = setup.program.env("SESSION_REUSE_POLICY", "strict");
    assert_eq!(setup.verdicts()["previous"], "reused");
    assert_eq!(setup.explain()["tokens"][2]["ends_session"], true);
}

fn the_reason_and_the_time_of_the_end_are_named(on: Backend) {
    let setup = Setup::new(on);
    let response = |life: &Value| {
        let current = &life["tokens"][1];
        (life["state"].clone(), current["code"].clone())
    };
    let expired = format!(
        "UPDATE sessions SET expires_at = created_at WHERE id = '{}'",
        setup.id
    );
    setup.database.execute(&expired);
    assert_eq!(
        response(&setup.explain()),
        (json!("expired"), json!("session_expired"))
    );
    setup.age(&["expires_at"], -1_000_000);
    setup.program.run(&["user", "disable", ADA.0]).done();
    let life = setup.explain();
    assert_eq!(response(&life), (json!("disabled"), json!("user_disabled")));
    assert!(life["ended_at"].as_str().unwrap().ends_with('Z'), "{life}");
    setup.program.run(&["user", "enable", ADA.0]).done();
    let life = setup.explain();
    assert_eq!(
        response(&life),
        (json!("disabled"), json!("session_revoked"))
    );
}

fn the_verdict_is_told_together_with_the_time_at_which_it_changes(on: Backend) {
    let setup = Setup::new(on);
    setup.refresh(&setup.refresh);
    let now = Clock::system().now().unix();
    let set = format!(
        "UPDATE sessions SET rotated_at = {now}, handed_at = {now} WHERE id = '{}'",
        setup.id
    );
    setup.database.execute(&set);
    let life = setup.explain();
    let at = tokenpair::clock::Timestamp::from_unix(now + 60).to_string();
    assert_eq!(
        life["tokens"][1]["then"],
        json!({ "at": at, "verdict": "rotated" })
    );
    assert_eq!(
        life["tokens"][2]["then"],
        json!({ "at": at, "verdict": "recovered" })
    );
}

fn a_person_reads_the_life_of_the_session(on: Backend) {
    let setup = Setup::new(on);
    setup.refresh(&setup.refresh);
    let text = setup.program.run(&["session", "explain", &setup.id]).done();
    for line in [
        format!("session    {}", setup.id),
        "state      active".to_owned(),
        "address    127.0.0.1".to_owned(),
        "tokens     in the response body".to_owned(),
        "  generation 1 (previous: replaced last): same".to_owned(),
        "  generation 2 (current): repeated".to_owned(),
        "  generation 3 (not issued yet): forward".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    // The oldest comes first, and the terms before they are used.
    let places: Vec<usize> = [
        "A pair is",
        "generation 1 ",
        "generation 2 ",
        "generation 3 ",
    ]
    .iter()
    .map(|part| text.find(part).unwrap())
    .collect();
    assert!(places.is_sorted(), "{places:?}\n{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    setup.program.run(&["session", "revoke", &setup.id]).done();
    let text = setup.program.run(&["session", "explain", &setup.id]).done();
    let wide = text.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "{text}");
    assert!(text.contains("user       ada, id "), "{text}");
    assert!(text.contains("  login                127.0.0.1"), "{text}");
    assert!(!text.contains("eyJ"), "{text}");
}

fn an_unknown_session_is_refused_with_the_command_that_lists_them(on: Backend) {
    let database = Database::create(on);
    let program = Program::new()
        .env("DATABASE_URL", &database.url())
        .migrated();
    for id in ["nobody", "", "\u{1b}[2J"] {
        let error = program.run(&["session", "explain", id]).failed();
        assert!(error.contains("there is no session"), "{error}");
        assert!(error.contains("tokenpair session list NAME"), "{error}");
        assert!(!error.contains('\u{1b}'), "{error}");
    }
}

on_both_databases!(
    each_token_gets_the_verdict_that_the_server_then_gives,
    a_barred_token_is_superseded_and_the_strict_policy_forgives_nothing,
    the_reason_and_the_time_of_the_end_are_named,
    the_verdict_is_told_together_with_the_time_at_which_it_changes,
    a_person_reads_the_life_of_the_session,
    an_unknown_session_is_refused_with_the_command_that_lists_them,
);
