//! Tests TLS in the server: the certificate and its key, errors in them, and their renewal.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

use crate::support::{Program, Served};

/// A self-signed certificate for localhost, and its key.
struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn new() -> Self {
        Self::made(|_| {})
    }

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn write(&self, program: &Program) {
        fs::write(program.path("key.pem"), &self.key).unwrap();
        let owners = fs::Permissions::from_mode(0o600);
        fs::set_permissions(program.path("key.pem"), owners).unwrap();
        fs::write(program.path("cert.pem"), &self.certificate).unwrap();
    }

    /// Returns the output of curl that trusts this certificate only.
    fn curl(&self, program: &Program, served: &Served, arguments: &[&str]) -> Output {
        let verified_tokens = program.path("believed.pem");
        fs::write(&verified_tokens, &self.certificate).unwrap();
        let url = format!("https://{}/health/live", served.address);
        Command::new("curl")
            .args(["-sS", "--max-time", "20", "--noproxy", "*", "--cacert"])
            .arg(verified_tokens)
            .args(arguments)
            .arg(url)
            .output()
            .unwrap()
    }
}

fn program() -> Program {
    Program::new()
        .env("SERVER_TLS_CERT", "cert.pem")
        .env("SERVER_TLS_KEY", "key.pem")
}

fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(all).unwrap()
}

#[test]
fn the_server_speaks_https_and_no_http_2_and_its_cookies_are_secure() {
    let (program, pair) = (program(), Pair::new());
    pair.write(&program);
    let served = program.serve();
    assert!(
        served.greeting.contains("listens on https://127.0.0.1:"),
        "{}",
        served.greeting
    );
    assert!(
        served.greeting.contains("try: curl https://"),
        "{}",
        served.greeting
    );
    let curl = |arguments: &[&str]| text(&pair.curl(&program, &served, arguments));
    for version in ["--http1.1", "--http2"] {
        let said = curl(&[version, "-w", " %{http_version}"]);
        assert_eq!(said, "{\"status\":\"live\"} 1.1", "{version}");
    }
    for (version, good) in [("1.1", false), ("1.2", true), ("1.3", true)] {
        let only = format!("--tlsv{version}");
        let said = pair.curl(&program, &served, &[&only, "--tls-max", version]);
        assert_eq!(said.status.success(), good, "{version}: {said:?}");
    }
    let user = r#"{"username": "ada", "password": "correct horse"}"#;
    let post = |path: &str| {
        let url = format!("https://{}{path}", served.address);
        let json = "Content-Type: application/json";
        // curl gets its usual URL too, which does no harm.
        curl(&["-i", "-H", json, "-d", user, &url])
    };
    assert!(post("/register").contains("\"username\":\"ada\""));
    let login = post("/login");
    let cookies = login
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("set-cookie"));
    assert_eq!(
        cookies.filter(|line| line.contains("; Secure")).count(),
        5,
        "{login}"
    );
}

#[test]
fn the_health_check_asks_by_https_whatever_the_certificate_says() {
    let program = program();
    Pair::made(|params| {
        params.subject_alt_names = Vec::new();
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    })
    .write(&program);
    let served = program.serve();
    let check = |address: &str| {
        let mut command = program.command(&["healthcheck"]);
        command.env("SERVER_BIND", address).output().unwrap()
    };
    let address = served.address.to_string();
    assert_eq!(text(&check(&address)).lines().last(), Some("ready"));
    served.stop();
    assert_eq!(check(&address).status.code(), Some(1));
}

#[test]
fn the_webhook_trusts_the_machine_s_authorities_only() {
    let pair = Pair::new();
    let program = program();
    pair.write(&program);
    let served = program.serve();
    let sender = |program: Program| {
        program
            .env("WEBHOOK_URL", &format!("https://{}/hooks", served.address))
            .env("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .run(&["webhook", "test"])
            .failed()
    };
    let untrusted = sender(Program::new());
    assert!(
        untrusted.contains("invalid peer certificate"),
        "{untrusted}"
    );
    let authorities = program.path("cert.pem").display().to_string();
    let trusted = sender(Program::new().env("SSL_CERT_FILE", &authorities));
    assert!(trusted.contains("the receiver answered 404"), "{trusted}");
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let (program, first, second) = (program(), Pair::new(), Pair::new());
    first.write(&program);
    let served = program.serve();
    assert!(first.curl(&program, &served, &[]).status.success());
    assert!(!second.curl(&program, &served, &[]).status.success());
    // Half of a renewal: the key does not match the certificate.
    fs::write(program.path("key.pem"), &second.key).unwrap();
    served.wait_for_log("cannot reload the certificate, so the previous one stays in use: the private key in key.pem");
    assert!(first.curl(&program, &served, &[]).status.success());
    fs::write(program.path("cert.pem"), &second.certificate).unwrap();
    served.wait_for_log("reloaded the certificate");
    assert!(second.curl(&program, &served, &[]).status.success());
    assert!(!first.curl(&program, &served, &[]).status.success());
    fs::remove_file(program.path("cert.pem")).unwrap();
    served.wait_for_log("SERVER_TLS_CERT names cert.pem, which cannot be read");
    assert!(second.curl(&program, &served, &[]).status.success());
    // The files are invalid but the server works, so a container's health check must not end it.
    let mut check = program.command(&["healthcheck"]);
    let check = check.env("SERVER_BIND", served.address.to_string());
    assert_eq!(check.output().unwrap().status.code(), Some(0));
    let log = served.stop_and_read_log();
    assert!(!log.contains("PRIVATE KEY"), "{log}");
    assert_eq!(log.matches("which cannot be read").count(), 1, "{log}");
}

#[test]
fn a_hang_up_signal_reads_the_certificate_again_and_says_again_what_is_wrong_with_it() {
    let (program, first, second) = (program(), Pair::new(), Pair::new());
    first.write(&program);
    let served = program.serve();
    served.send_signal("-HUP");
    served.wait_for_log_times("reloaded the certificate", 1);
    fs::write(program.path("key.pem"), &second.key).unwrap();
    served.wait_for_log_times(
        "cannot reload the certificate, so the previous one stays in use",
        1,
    );
    served.send_signal("-HUP");
    served.wait_for_log_times(
        "cannot reload the certificate, so the previous one stays in use",
        2,
    );
    assert!(first.curl(&program, &served, &[]).status.success());
}

#[test]
fn what_tls_cannot_use_is_refused_at_start_with_the_cure() {
    let (pair, other) = (Pair::new(), Pair::new());
    let (no_certificate, no_key) = (
        "SERVER_TLS_CERT names cert.pem, which holds no certificate in PEM",
        "SERVER_TLS_KEY names key.pem, which holds no private key in PEM that needs no password",
    );
    let mismatch = "the private key in key.pem (SERVER_TLS_KEY) does not match the first certificate in cert.pem (SERVER_TLS_CERT)";
    for (certificate, key, complaint) in [
        (
            None,
            None,
            "SERVER_TLS_CERT names cert.pem, which cannot be read: No such file",
        ),
        (
            Some(&pair.certificate),
            None,
            "SERVER_TLS_KEY names key.pem, which cannot be read: No such file",
        ),
        (Some(&pair.key), Some(&pair.key), no_certificate),
        (Some(&String::new()), Some(&pair.key), no_certificate),
        (Some(&pair.certificate), Some(&pair.certificate), no_key),
        (Some(&pair.certificate), Some(&other.key), mismatch),
    ] {
        let program = program();
        for (name, content) in [("cert.pem", certificate), ("key.pem", key)] {
            if let Some(content) = content {
                fs::write(program.path(name), content).unwrap();
            }
        }
        for command in [&["serve"][..], &["config", "check"]] {
            let said = program.run(command).failed();
            assert!(said.contains(complaint), "{complaint}\n{said}");
            assert!(
                !said.contains("MII") && !said.contains("PRIVATE KEY-----\n"),
                "{said}"
            );
        }
    }
    let program = program();
    pair.write(&program);
    assert_eq!(
        program.run(&["config", "check"]).done(),
        "the settings are valid\n"
    );
}

#[test]
fn a_certificate_that_is_out_of_date_is_said_and_shown() {
    for (begin, end, said) in [
        (
            2019,
            2020,
            "the certificate in cert.pem expired on 2020-01-01T00:00:00Z: browsers reject it",
        ),
        (
            4000,
            4001,
            "the certificate in cert.pem is valid from 4000-01-01T00:00:00Z on",
        ),
    ] {
        let program = program();
        let pair = Pair::made(|params| {
            params.not_before = rcgen::date_time_ymd(begin, 1, 1);
            params.not_after = rcgen::date_time_ymd(end, 1, 1);
        });
        pair.write(&program);
        let served = program.serve();
        served.wait_for_log(said);
        assert!(
            pair.curl(&program, &served, &["--insecure"])
                .status
                .success()
        );
    }
}
