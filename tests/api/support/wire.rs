//! Simulates the network between clients and a server: a test can delay requests or lose responses.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    fate: Arc<Fate>,
}

/// What happens to the bytes sent.
#[derive(Default)]
struct Fate {
    connections: AtomicUsize,
    held: AtomicBool,
    to_lose: AtomicUsize,
    lost: Mutex<Vec<String>>,
}

impl Wire {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let fate = Arc::<Fate>::default();
        let of_all = Arc::clone(&fate);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                of_all.connections.fetch_add(1, Ordering::SeqCst);
                if let Ok(server) = TcpStream::connect(server) {
                    connect(&client, &server, &of_all);
                }
            }
        });
        Self { address, fate }
    }

    /// Bytes sent while it is held arrive later.
    pub(crate) fn hold(&self, held: bool) {
        self.fate.held.store(held, Ordering::SeqCst);
    }

    /// Returns the number of connections made to it.
    pub(crate) fn connections(&self) -> usize {
        self.fate.connections.load(Ordering::SeqCst)
    }

    /// Loses the response to the next request: the client only sees the connection end.
    pub(crate) fn lose_the_next_answer(&self) {
        self.fate.to_lose.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the lost responses in full.
    pub(crate) fn lost(&self) -> Vec<String> {
        self.fate.lost.lock().unwrap().clone()
    }
}

fn connect(client: &TcpStream, server: &TcpStream, fate: &Arc<Fate>) {
    let ends = || (client.try_clone().unwrap(), server.try_clone().unwrap());
    let ((mut from, mut to), held) = (ends(), Arc::clone(fate));
    std::thread::spawn(move || held.carry(&mut from, &mut to));
    let ((mut to, mut from), fate) = (ends(), Arc::clone(fate));
    std::thread::spawn(move || match fate.loses(&from) {
        true => fate.swallow(&mut from, &to),
        false => fate.carry(&mut from, &mut to),
    });
}

impl Fate {
    fn carry(&self, from: &mut TcpStream, to: &mut TcpStream) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while self.held.load(Ordering::SeqCst) {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _closed = to.shutdown(Shutdown::Both);
    }

    /// Returns whether to lose the response that begins now.
    fn loses(&self, server: &TcpStream) -> bool {
        let begins = server.peek(&mut [0]).is_ok_and(|count| count > 0);
        let one_less = |to_lose: usize| to_lose.checked_sub(1);
        begins
            && self
                .to_lose
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
                .is_ok()
    }

    fn swallow(&self, server: &mut TcpStream, client: &TcpStream) {
        let mut answer = String::new();
        server.read_to_string(&mut answer).unwrap();
        self.lost.lock().unwrap().push(answer);
        client.shutdown(Shutdown::Both).unwrap();
    }
}
