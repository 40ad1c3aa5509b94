//! Tests the limits that the system sets on the program's files.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::support::{Program, Served};

/// Starts the server in a shell that first sets a limit.
fn served_with(program: &Program, limit: &str) -> Served {
    let mut command = Command::new("bash");
    let server = env!("CARGO_BIN_EXE_tokenpair");
    command.args(["-c", &format!("ulimit {limit}; exec {server} serve")]);
    program.environment(&mut command);
    Program::served_by(command)
}

fn answers_health_checks(server: SocketAddr) -> bool {
    let mut socket = TcpStream::connect(server).unwrap();
    let timeout = Some(Duration::from_secs(20));
    socket.set_read_timeout(timeout).unwrap();
    let head = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write_all(head).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

#[test]
fn with_few_files_fewer_connections_are_served_and_health_checks_always() {
    let program = Program::new();
    let served = served_with(&program, "-n 256");
    served.wait_for_log(
        "256 open files allows 64 connections, fewer than SERVER_MAX_CONNECTIONS=10000",
    );
    let open = || TcpStream::connect(served.address).unwrap();
    let connections: Vec<TcpStream> = std::iter::repeat_with(open).take(120).collect();
    assert!(answers_health_checks(served.address));
    drop(connections);
}

#[test]
fn a_soft_limit_on_open_files_is_raised() {
    let program = Program::new().env("SERVER_MAX_CONNECTIONS", "500");
    let served = served_with(&program, "-Sn 256");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", served.id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    assert!(!files.unwrap().contains(" 256 "), "{limits}");
    let log = served.stop_and_read_log();
    assert!(!log.contains("open files"), "{log}");
}
