//! Tests which URLs are accepted, and what libpq is given.

use super::*;

#[test]
fn a_database_that_was_left_out_is_refused_with_the_name_of_its_feature() {
    for (feature, included, url) in [
        ("sqlite", cfg!(feature = "sqlite"), "sqlite://data/app.db"),
        ("postgres", cfg!(feature = "postgres"), "postgres://a/app"),
    ] {
        let refused = DatabaseUrl::parse(url).err();
        let left_out = (!included).then_some(UrlError::LeftOut(feature));
        assert_eq!(refused, left_out);
        let name = format!("the feature `{feature}`");
        assert!(UrlError::LeftOut(feature).to_string().contains(&name));
    }
}

const WAIT: Duration = Duration::from_secs(4);

fn for_libpq(url: &str) -> String {
    DatabaseUrl::for_libpq(&SecretString::from(url), WAIT, 0)
}

#[test]
fn libpq_is_given_timeouts_and_of_several_hosts_takes_the_one_that_can_be_written() {
    assert_eq!(
        for_libpq("postgres://ada@a/app"),
        "postgres://ada@a/app?connect_timeout=3&tcp_user_timeout=4000&keepalives_idle=10&keepalives_interval=3\
         &keepalives_count=3"
    );
    for several in [
        "postgres://ada@a,b:5433/app",
        "postgres:///app?host=a,b",
        "postgres:///app?host=a%2Cb",
    ] {
        let text = for_libpq(several);
        assert!(text.contains("target_session_attrs=read-write"), "{text}");
        assert!(text.contains("connect_timeout=2&"), "{text}");
    }
}

#[test]
fn a_host_that_hung_is_tried_last() {
    for (url, turned) in [
        (
            "postgres://ada:x@a,b:5433,c/app",
            "postgres://ada:x@b:5433,c,a/app?",
        ),
        (
            "postgres:///app?host=a%2Cb%2Cc&port=1,2,3&user=ada",
            "postgres:///app?host=b,c,a&port=2,3,1&user=ada&",
        ),
        (
            "postgres://?host=a,b,c&port=1",
            "postgres:///?host=b,c,a&port=1&",
        ),
    ] {
        let first_host = hosts_that_hung(&for_libpq(url), Duration::from_millis(1100));
        assert_eq!(first_host, 1);
        let text = DatabaseUrl::for_libpq(&SecretString::from(url), WAIT, 3 + first_host);
        assert!(text.starts_with(turned), "{text}");
    }
    let alone = "postgres://ada@a/app";
    let text = DatabaseUrl::for_libpq(&SecretString::from(alone), WAIT, 7);
    assert_eq!(text, for_libpq(alone));
}

#[test]
fn options_of_the_url_come_last() {
    let url = SecretString::from("postgres://a/app?options=-c%20search_path%3Dx");
    let text = DatabaseUrl::for_libpq_with_options(&url, WAIT, 0);
    let ours = "&options=-c%20statement_timeout%3D4000%20-c%20tokenpair.session%3Down%20";
    assert!(
        text.ends_with(&format!("{ours}-c%20search_path%3Dx")),
        "{text}"
    );
}

#[test]
fn what_the_url_says_stands() {
    let said = "postgres://a,b/app?connect_timeout=9&tcp_user_timeout=0&keepalives_idle=1&keepalives_interval=1\
                &keepalives_count=1&target_session_attrs=any";
    assert_eq!(for_libpq(said), said);
}
