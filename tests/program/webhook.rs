//! Tests the settings of the webhook, `tokenpair webhook test`, and what the log says of alerts.

use crate::receiver::Receiver;
use crate::support::Program;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr";

fn program(receiver: &Receiver) -> Program {
    Program::new()
        .env("WEBHOOK_URL", &receiver.url())
        .env("WEBHOOK_SECRET", SECRET)
}

#[track_caller]
fn refused(variables: &[(&str, &str)], complaints: &[&str]) {
    let program = variables
        .iter()
        .fold(Program::new(), |program, (name, value)| {
            program.env(name, value)
        });
    let said = program.run(&["config", "check"]).failed();
    for complaint in complaints {
        assert!(said.contains(complaint), "{complaint:?} is not in {said}");
    }
    for (_, value) in variables {
        assert!(!said.contains(value), "{value:?} is in {said}");
    }
}

#[test]
fn settings_of_a_webhook_that_cannot_work_are_refused_without_quoting_them() {
    let make = "make one with `echo \"whsec_$(openssl rand -base64 32)\"`";
    let form = format!("has to be whsec_ and 24 to 64 bytes in base64; {make}");
    refused(
        &[("WEBHOOK_URL", "https://example.org/T0/B0/XyZ")],
        &["WEBHOOK_SECRET is needed with WEBHOOK_URL", make],
    );
    refused(
        &[("WEBHOOK_SECRET", SECRET)],
        &["WEBHOOK_SECRET signs alerts, and WEBHOOK_URL is not set"],
    );
    for url in [
        "ftp://example.org/x",
        "example.org/hooks",
        "https://ada:pw@example.org/x",
        "https://example.org/#x",
    ] {
        refused(
            &[
                ("WEBHOOK_URL", url),
                ("WEBHOOK_SECRET", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            ],
            &[
                "WEBHOOK_URL is no usable address; write an address of http or https without a user",
                &format!("WEBHOOK_SECRET {form}"),
            ],
        );
    }
    let (short, long) = ("whsec_c2hvcnQ=", format!("whsec_{}", "AAAA".repeat(22)));
    for secret in [short, &long, "whsec_%%%"] {
        let all = [
            ("WEBHOOK_URL", "https://example.org/x"),
            ("WEBHOOK_SECRET", secret),
        ];
        refused(&all, &[&format!("WEBHOOK_SECRET {form}")]);
    }
    let both = [
        ("WEBHOOK_URL", "https://example.org/x"),
        ("WEBHOOK_SECRET", SECRET),
        ("WEBHOOK_PREVIOUS_SECRET", SECRET),
    ];
    refused(
        &both,
        &["WEBHOOK_PREVIOUS_SECRET is WEBHOOK_SECRET; write the former secret here"],
    );
}

#[test]
fn an_unreadable_file_of_a_secret_is_one_problem() {
    let program = Program::new()
        .env("WEBHOOK_URL", "https://example.org/x")
        .env("WEBHOOK_SECRET_FILE", "nowhere");
    let said = program.run(&["config", "check"]).failed();
    assert!(said.contains("1 setting cannot work"), "{said}");
    assert_eq!(said.matches("WEBHOOK_SECRET").count(), 1, "{said}");
}

#[test]
fn neither_the_secret_nor_the_path_of_the_address_is_shown() {
    let receiver = Receiver::new();
    let shown = program(&receiver)
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://ada:password@collector:4318/hidden",
        )
        .env(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://collector/?key=hidden",
        )
        .run(&["config", "show"])
        .done();
    assert!(shown.contains("http://collector:4318/********"), "{shown}");
    for secret in ["hidden", "password@"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let address = format!("http://{}/********", receiver.address);
    assert!(shown.contains(&address), "{shown}");
    assert!(!shown.contains("a-secret-of-the-receiver"), "{shown}");
    assert!(!shown.contains("whsec_"), "{shown}");
}

#[test]
fn a_webhook_without_encryption_gets_a_note_unless_it_is_on_this_machine() {
    let receiver = Receiver::new();
    let check = |url: &str| {
        let program = program(&receiver).env("WEBHOOK_URL", url);
        let ended = program.run(&["config", "check"]);
        ended.out + &ended.err
    };
    let note = "WEBHOOK_URL is http://hooks.example.org: alerts, with usernames and addresses, travel unencrypted";
    assert!(check("http://hooks.example.org/secret-path").contains(note));
    assert!(!check("http://hooks.example.org/secret-path").contains("secret-path"));
    for url in ["https://hooks.example.org/x", "http://localhost:9000/x"] {
        assert!(!check(url).contains("unencrypted"), "{url}");
    }
}

#[test]
fn the_test_message_shows_whether_the_webhook_works() {
    let receiver = Receiver::new();
    let program = program(&receiver);
    let said = program.run(&["webhook", "test"]).done();
    assert!(
        said.starts_with("delivered: the receiver answered 204"),
        "{said}"
    );
    let message = receiver.received().remove(0);
    assert_eq!(message.kind(), "webhook_test");
    assert!(message.header("webhook-id").starts_with("test_"));
    assert!(message.header("user-agent").starts_with("tokenpair/"));
    assert!(message.verified_with(SECRET));

    let origin = format!("http://{}", receiver.address);
    for (status, why) in [
        (500, "the receiver answered 500"),
        (
            302,
            "the receiver answered 302 Found, and redirects are not followed",
        ),
        (
            410,
            "the receiver answered 410 Gone: it wants no more messages",
        ),
    ] {
        receiver.answer(status);
        let said = program.run(&["webhook", "test"]).failed();
        assert!(
            said.contains(&format!("cannot deliver to {origin}: {why}")),
            "{said}"
        );
    }
    let said = Program::new().run(&["webhook", "test"]).failed();
    assert!(said.contains("WEBHOOK_URL is not set: set it"), "{said}");
    // Port 1 of this machine: nothing listens there.
    let closed = program.env("WEBHOOK_URL", "http://127.0.0.1:1/a-secret-path");
    let said = closed.run(&["webhook", "test"]).failed();
    assert!(
        said.contains("cannot deliver to http://127.0.0.1:1: "),
        "{said}"
    );
    assert!(!said.contains("a-secret-path"), "{said}");
}

#[test]
fn an_alert_of_a_command_is_sent_by_the_server_and_the_log_names_no_secret() {
    let receiver = Receiver::new();
    receiver.answer(500);
    let program = program(&receiver).env("RUST_LOG", "debug").migrated();
    let password = "an admin's password\n";
    program
        .run_with_input(
            &["user", "add", "ada", "--admin", "--password-stdin"],
            password,
        )
        .done();
    let served = program.serve();
    served.wait_for_log("cannot send the alert admin_granted");
    let message = receiver.received().remove(0);
    assert_eq!(message.json()["data"]["actor_id"], "operator");
    let log = served.stop_and_read_log();
    assert!(log.contains("the receiver answered 500"), "{log}");
    assert!(log.contains("Next attempt in 30 s"), "{log}");
    for secret in ["a-secret-of-the-receiver", "whsec_", "MfKQ9r8G", "v1,"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
