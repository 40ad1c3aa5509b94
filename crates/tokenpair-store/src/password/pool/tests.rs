//! Tests the inside of the pool: the input of bcrypt, the cost of a verification, and jobs that are
//! dropped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use super::super::plaintext::BCRYPT_MAX;
use super::super::verify::{nobodys_hash, padding};
use super::*;

#[test]
fn nobodys_hash_is_a_hash_that_costs_what_everyones_does() {
    let hash = nobodys_hash(10);
    assert_eq!(hash.expose().len(), 60);
    assert_eq!(
        hash.expose()
            .parse::<bcrypt::HashParts>()
            .unwrap()
            .get_cost(),
        10
    );
    assert!(!bcrypt::verify("password", hash.expose()).unwrap());
}

#[test]
fn no_password_is_cut_and_nul_ends_none() {
    let given = |text: &str| for_bcrypt(&text.into()).expose_secret().to_owned();
    let long = |last: char| given(&format!("{}{last}", "x".repeat(71)));
    assert_ne!(long('a'), long('b'));
    assert_ne!(given("secret\0secret"), given("secret"));
    assert!(long('a').len() <= BCRYPT_MAX);
    assert_eq!(given(&"x".repeat(71)), "x".repeat(71));
}

#[test]
fn padding_brings_what_was_spent_to_the_time_of_one_bcrypt_and_no_further() {
    let ms = Duration::from_millis;
    // One of cost 9 took 32 ms, so one of cost 4 takes 1 ms, and one of cost 12 takes 256 ms.
    for spent in 32..=256 {
        let costs: Vec<u32> = padding(ms(spent), ms(32), 12).collect();
        let milliseconds: u64 = costs.iter().map(|cost| 1 << (cost - 4)).sum();
        assert_eq!(spent + milliseconds, 256, "{costs:?}");
    }
    assert_eq!(padding(ms(257), ms(32), 12).count(), 0, "it was dearer");
    assert_eq!(padding(ms(0), ms(0), 12).count(), 0, "a clock that stands");
    assert_eq!(padding(ms(0), ms(1), 16).collect::<Vec<_>>(), [16]);
}

#[test]
fn what_unicode_may_still_change_is_hashed_as_it_was_typed() {
    let prepared = |text: &str| {
        let password = Password::new(text.to_owned());
        password.prepared().expose_secret().to_owned()
    };
    assert_eq!(prepared("e\u{301}\u{a0}x"), "\u{e9} x");
    // Unassigned, private, and not a character.
    for odd in ['\u{378}', '\u{e000}', '\u{ffff}'] {
        let text = format!("e\u{301}\u{a0}x{odd}");
        assert_eq!(prepared(&text), text);
    }
}

#[actix_web::test]
async fn past_the_queue_is_busy_and_for_a_client_that_has_gone_nothing_is_done() {
    let policy = PasswordPolicy {
        queue: 2,
        ..PasswordPolicy::default()
    };
    let passwords = Passwords::start(policy).unwrap();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let holding = Arc::new(AtomicUsize::new(0));
    let (go, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    for held in 0..cores {
        let (passwords, counted) = (passwords.clone(), Arc::clone(&holding));
        let gate = Arc::clone(&gate);
        let hold = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            gate.lock().unwrap().recv().is_err()
        };
        actix_web::rt::spawn(async move { passwords.run(hold).await.is_ok() });
        while holding.load(Ordering::SeqCst) <= held {
            tokio::task::yield_now().await;
        }
    }
    let worked = Arc::new(AtomicUsize::new(0));
    let work = Arc::clone(&worked);
    let gone = passwords.run(move || work.fetch_add(1, Ordering::SeqCst));
    assert!(tokio::time::timeout(Duration::ZERO, gone).await.is_err());
    let patient = passwords.clone();
    let patient = actix_web::rt::spawn(async move { patient.run(|| ()).await });
    while passwords.threads.0.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    let one_more = passwords.run(|| ()).await;
    assert!(matches!(one_more, Err(PasswordError::Busy)));
    // Another client is not rejected, and does not wait for a thread either.
    let other = passwords.on_behalf_of(HashingClient::new("another", "one"));
    other.run(|| ()).await.unwrap();
    drop(go);
    assert!(patient.await.unwrap().is_ok());
    for _ in 0..=cores {
        passwords.run(|| ()).await.unwrap();
    }
    assert_eq!(worked.load(Ordering::SeqCst), 0);
}

#[actix_web::test]
async fn work_that_panics_is_answered_and_the_threads_go_on() {
    let passwords = Passwords::start(PasswordPolicy::default()).unwrap();
    let panicking = (0..32).map(|_| {
        let passwords = passwords.clone();
        let panics = async move { passwords.run(|| assert!(Vec::<u8>::new().len() > 1)).await };
        actix_web::rt::spawn(panics)
    });
    for answer in panicking.collect::<Vec<_>>() {
        assert!(matches!(answer.await.unwrap(), Err(PasswordError::Busy)));
    }
    assert_eq!(passwords.run(|| 7).await.unwrap(), 7);
}
