//! Tests what the server tells systemd, by a socket as systemd's.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::support::{Program, an_address_of_ones_own};
use crate::wait::within;

/// The socket that `NOTIFY_SOCKET` names.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn of(program: Program) -> (Self, Program) {
        let path = program.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        (
            Self(socket),
            program.env("NOTIFY_SOCKET", path.to_str().unwrap()),
        )
    }

    /// Returns the lines of the next notification.
    #[track_caller]
    fn next(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).expect("a notification");
        let text = std::str::from_utf8(&message[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Asserts that there is no further notification.
    #[track_caller]
    fn is_silent(&self) {
        self.0.set_nonblocking(true).unwrap();
        let error = self.0.recv(&mut [0; 4096]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn systemd_learns_when_the_server_serves_reloads_and_stops() {
    let address = an_address_of_ones_own();
    let (supervisor, program) = Supervisor::of(Program::new());
    let program = program.env("SERVER_BIND", &address.to_string());
    let served = program.serve();
    let status = format!("STATUS=listening on {address}");
    assert_eq!(supervisor.next(), ["READY=1", &status]);
    // A unit that is ordered after this one may connect at once.
    TcpStream::connect(address).unwrap();

    served.send_signal("-HUP");
    let reloading = supervisor.next();
    assert_eq!(reloading[0], "RELOADING=1");
    let time = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(time.parse::<u64>().unwrap() > 0);
    assert_eq!(supervisor.next(), ["READY=1"]);

    assert!(served.stop().success());
    assert_eq!(supervisor.next(), ["STOPPING=1", "STATUS=stopping"]);
    supervisor.is_silent();
}

#[test]
fn systemd_does_not_take_a_server_for_ready_that_waits_for_its_database() {
    let (supervisor, program) = Supervisor::of(Program::new());
    let nobody = an_address_of_ones_own();
    let program = program
        .env(
            "DATABASE_URL",
            &format!("postgres://ada@{nobody}/tokenpair"),
        )
        .env("DATABASE_START_WAIT", "1s");
    program.run(&["serve"]).failed();
    supervisor.is_silent();
}

#[test]
fn the_watchdog_is_fed_until_the_server_has_stopped() {
    let (supervisor, program) = Supervisor::of(Program::new());
    let program = program
        .env("WATCHDOG_USEC", "20000")
        .env("SERVER_DRAIN", "2m");
    let served = program.serve();
    let fed_after = |notification: &str| {
        within(20, notification, || supervisor.next()[0] == notification);
        within(20, "WATCHDOG=1", || supervisor.next() == ["WATCHDOG=1"]);
        within(20, "WATCHDOG=1", || supervisor.next() == ["WATCHDOG=1"]);
    };
    fed_after("READY=1");
    served.send_signal("-TERM");
    fed_after("STOPPING=1");
    served.send_signal("-TERM");
    assert!(served.wait().success());
}

#[test]
fn a_watchdog_of_another_process_or_without_an_interval_is_left_alone() {
    for (name, value) in [("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", "0")] {
        let (supervisor, program) = Supervisor::of(Program::new());
        let program = program.env("WATCHDOG_USEC", "1000000").env(name, value);
        assert!(program.serve().stop().success(), "{name}");
        assert_eq!(supervisor.next()[0], "READY=1", "{name}");
        assert_eq!(supervisor.next()[0], "STOPPING=1", "{name}");
    }
}

#[test]
fn a_supervisor_that_is_gone_stops_no_server() {
    let program = Program::new().env("NOTIFY_SOCKET", "/nowhere/notify");
    let served = program.serve();
    served.wait_for_log("cannot notify the supervisor at NOTIFY_SOCKET");
    assert_eq!(served.request("GET", "/health/ready", None).0, 200);
    assert!(served.stop().success());
}
