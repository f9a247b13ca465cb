//! A TCP proxy between two nodes that can lose answers: the request arrives whole, the answer never leaves. A connection
//! that has lost one stays open and never lets another byte back, as behind a firewall that has forgotten it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Once the caller has sent this many bytes on a connection, its TLS handshake is long over and the message itself is
/// under way: what comes back after that is the answer.
const HANDSHAKE: usize = 8 * 1024;

/// The proxy. It runs until the test process ends.
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    target: SocketAddr,
    losing: AtomicBool,
    lost: AtomicUsize,
}

impl Proxy {
    /// Listens on a free port and passes everything on to `target`.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { target, losing: AtomicBool::new(false), lost: AtomicUsize::new(0) });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.carry(caller));
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// From now on answers are lost, or no longer on new connections.
    pub fn lose_answers(&self, losing: bool) {
        self.state.losing.store(losing, Ordering::SeqCst);
    }

    /// Bytes of answers lost so far.
    pub fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }
}

impl State {
    fn carry(&self, caller: TcpStream) {
        let Ok(target) = TcpStream::connect(self.target) else {
            let _ = caller.shutdown(Shutdown::Both);
            return;
        };
        let sent = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                self.pass(&caller, &target, |bytes| {
                    sent.fetch_add(bytes, Ordering::SeqCst);
                    true
                });
            });
            let forgotten = AtomicBool::new(false);
            self.pass(&target, &caller, |bytes| {
                let is_answer = sent.load(Ordering::SeqCst) > HANDSHAKE;
                if is_answer && self.losing.load(Ordering::SeqCst) {
                    forgotten.store(true, Ordering::SeqCst);
                }
                let lose = forgotten.load(Ordering::SeqCst);
                if lose {
                    self.lost.fetch_add(bytes, Ordering::SeqCst);
                }
                !lose
            });
        });
    }

    fn pass(&self, mut from: &TcpStream, mut to: &TcpStream, goes_on: impl Fn(usize) -> bool) {
        let mut block = [0u8; 16 * 1024];
        while let Ok(size) = from.read(&mut block) {
            if size == 0 || (goes_on(size) && to.write_all(&block[..size]).is_err()) {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}
