//! Tests the order of jobs, and which client loses a place.

use super::*;

fn client(name: &str) -> HashingClient {
    let (site, network) = name.split_once('.').unwrap_or((name, ""));
    HashingClient::new(site, network)
}

fn line(length: usize, cores: usize, waiting: &[&str]) -> Line {
    let mut line = Line::new(length, cores);
    for name in waiting {
        assert!(push(&mut line, name), "{name}");
    }
    line
}

fn push(line: &mut Line, name: &str) -> bool {
    line.push(&client(name), Box::new(|| ()))
}

fn take(line: &mut Line) -> Option<HashingClient> {
    line.take().map(|(client, _)| client)
}

/// Returns the clients whose jobs are taken, each ended before the next.
fn order(line: &mut Line) -> Vec<String> {
    let next = || {
        let client = take(line)?;
        line.finish(&client);
        Some(format!("{}.{}", client.site, client.network))
    };
    let order = std::iter::from_fn(next).collect();
    assert!(line.sites.is_empty(), "no client is remembered");
    assert_eq!((line.waiting, line.running), (0, 0));
    order
}

#[test]
fn sites_take_turns_and_within_a_site_its_networks() {
    let waiting = ["a.1", "a.1", "a.1", "a.2", "a.3", "a.3", "b.1", "b.1"];
    let mut line = line(64, 2, &waiting);
    let fair = ["a.1", "b.1", "a.2", "b.1", "a.3", "a.1", "a.3", "a.1"];
    assert_eq!(order(&mut line), fair);
}

#[test]
fn who_comes_back_at_once_is_behind_those_who_wait() {
    let mut line = line(64, 1, &["a.1", "b.1", "c.1"]);
    for expected in ["a", "b", "c", "a", "b", "c"] {
        let taken = take(&mut line).unwrap();
        line.finish(&taken);
        assert_eq!(taken.site, expected);
        assert!(push(&mut line, &format!("{expected}.1")));
    }
}

#[test]
fn past_the_cores_only_a_site_that_has_nothing_running_gets_a_thread() {
    let mut line = line(64, 2, &["a.1", "a.1", "a.1", "a.2"]);
    let first = take(&mut line).unwrap();
    assert!(take(&mut line).is_some());
    assert!(take(&mut line).is_none(), "the cores are busy");
    assert!(push(&mut line, "b.1") && push(&mut line, "b.2"));
    assert_eq!(take(&mut line), Some(client("b.1")));
    assert!(take(&mut line).is_none());
    line.finish(&first);
    assert!(
        take(&mut line).is_none(),
        "as many as there are cores run on"
    );
    line.finish(&client("b.1"));
    assert_eq!(take(&mut line), Some(client("a.1")));
}

/// Like [`line`], with all threads of one core busy for the sites x and y.
fn busy(length: usize, waiting: &[&str]) -> Line {
    let mut line = line(2, 1, &["x", "y"]);
    assert!(take(&mut line).is_some() && take(&mut line).is_some());
    line.length = length;
    for name in waiting {
        assert!(push(&mut line, name), "{name}");
    }
    line
}

#[test]
fn when_the_queue_is_full_the_site_with_the_most_jobs_loses_its_newest() {
    let mut line = busy(4, &["a.1", "a.1", "a.2", "a.1"]);
    assert!(!push(&mut line, "a.1"), "it has the most itself");
    assert!(push(&mut line, "a.3"), "but not within its site");
    assert!(push(&mut line, "b.1") && push(&mut line, "b.1"));
    assert!(!push(&mut line, "b.1"), "no more than the other");
    assert_eq!(line.waiting, 4);
    let jobs = |site: &str| line.sites.get(site).map(|site| site.waiting);
    assert_eq!((jobs("a"), jobs("b")), (Some(2), Some(2)));
}

#[test]
fn as_many_sites_as_there_are_places_keep_the_next_out() {
    let mut line = busy(3, &["a", "b", "c"]);
    assert!(!push(&mut line, "d"));
    line.finish(&client("x"));
    assert_eq!(take(&mut line), Some(client("a")));
    assert!(push(&mut line, "d"));
}

#[test]
fn what_is_running_counts_where_a_place_is_given_up() {
    let mut line = busy(1, &["x"]);
    assert!(push(&mut line, "b"), "x has one that is running as well");
    line.finish(&client("x"));
    assert_eq!(take(&mut line), Some(client("b")));
}

#[test]
fn a_newcomer_that_finds_a_thread_idle_takes_no_place() {
    let mut line = line(1, 1, &["a"]);
    assert!(take(&mut line).is_some());
    assert!(push(&mut line, "a") && !push(&mut line, "a"));
    assert!(push(&mut line, "b"));
    assert_eq!(line.waiting, 2);
    assert_eq!(take(&mut line), Some(client("b")));
}
