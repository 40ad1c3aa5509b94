//! What only the inside of the pool can show: what bcrypt gets, what a verification costs, and what is not worked on.

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
    let long = |last: char| Password::new(format!("{}{last}", "x".repeat(71)));
    assert_ne!(
        long('a').for_bcrypt().expose_secret(),
        long('b').for_bcrypt().expose_secret()
    );
    let nul = |text: &str| {
        Password::new(text.to_owned())
            .for_bcrypt()
            .expose_secret()
            .to_owned()
    };
    assert_ne!(nul("secret\0secret"), nul("secret"));
    assert!(long('a').for_bcrypt().expose_secret().len() <= BCRYPT_MAX);
    assert_eq!(nul(&"x".repeat(71)), "x".repeat(71));
}

#[actix_web::test]
async fn after_a_change_of_cost_every_verification_costs_what_the_dearest_hash_does() {
    let passwords = Passwords::start(PasswordPolicy {
        cost: 10,
        ..PasswordPolicy::default()
    })
    .unwrap();
    let cheap = bcrypt::non_truncating_hash("password", 4)
        .map(PasswordHash)
        .unwrap();
    let right = |hash: &PasswordHash| {
        passwords.verify(Password::new("password".to_owned()), Some(hash.clone()))
    };
    assert!(right(&cheap).await.unwrap());
    assert_eq!(passwords.highest_cost(None), 10);
    let dear = bcrypt::non_truncating_hash("password", 11)
        .map(PasswordHash)
        .unwrap();
    assert!(right(&dear).await.unwrap());
    assert_eq!(passwords.highest_cost(None), 11);
    assert!(
        !passwords
            .verify(Password::new("password".to_owned()), None)
            .await
            .unwrap()
    );
}

#[actix_web::test]
async fn past_the_queue_is_busy_and_for_a_client_that_has_gone_nothing_is_done() {
    let policy = PasswordPolicy {
        queue: 2,
        ..PasswordPolicy::default()
    };
    let passwords = Passwords::start(policy).unwrap();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let (tell, told) = bounded(threads);
    let (go, gate) = bounded::<()>(0);
    for _ in 0..threads {
        let (passwords, tell, gate) = (passwords.clone(), tell.clone(), gate.clone());
        let hold = move || (tell.send(()), gate.recv());
        actix_web::rt::spawn(async move { passwords.run(hold).await.is_ok() });
    }
    while told.len() < threads {
        tokio::task::yield_now().await;
    }
    let worked = Arc::new(AtomicU32::new(0));
    let work = Arc::clone(&worked);
    let gone = passwords.run(move || work.fetch_add(1, Ordering::SeqCst));
    assert!(tokio::time::timeout(Duration::ZERO, gone).await.is_err());
    let patient = passwords.clone();
    let patient = actix_web::rt::spawn(async move { patient.run(|| ()).await });
    while passwords.jobs.len() < 2 {
        tokio::task::yield_now().await;
    }
    let one_more = passwords.run(|| ()).await;
    assert!(matches!(one_more, Err(PasswordError::Busy)));
    drop(go);
    assert!(patient.await.unwrap().is_ok());
    for _ in 0..=threads {
        passwords.run(|| ()).await.unwrap();
    }
    assert_eq!(worked.load(Ordering::SeqCst), 0);
}
