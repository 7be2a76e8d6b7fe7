//! A TCP proxy between the host and a real Redis, which does to a connection what networks, and
//! servers that lost their mind, do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::harness::random::Random;

/// Of so many replies, one is doubled, replaced or turned into garbage.
const ONE_IN: usize = 20;

/// What happens to a connection.
#[derive(Clone, Copy)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// Every reply is held back for a while; their order stays.
    Delay(Duration),
    /// It ends after a random number of bytes of the requests or of the replies.
    Cut,
    /// Nothing passes any more, and nobody is told, as where a cable was pulled.
    Silence,
    /// Some replies come twice, so that all later ones answer another request.
    Double,
    /// Some replies are others, well formed.
    Replace,
    /// Some replies are random bytes.
    Garbage,
    /// The server's clock tells other seconds since 1970.
    Time(u64),
}

/// A running proxy on a port of its own.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    redis_port: AtomicU16,
    trouble: Mutex<Trouble>,
    troubles: AtomicUsize,
    stopped: AtomicBool,
}

impl Proxy {
    pub(crate) fn start(redis_port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            redis_port: AtomicU16::new(redis_port),
            trouble: Mutex::new(Trouble::None),
            troubles: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let of_listener = shared.clone();
        std::thread::spawn(move || {
            for (seed, client) in (0..).step_by(2).zip(listener.incoming().map_while(Result::ok)) {
                if of_listener.stopped.load(Ordering::Relaxed) {
                    return;
                }
                // Redis may be away; the client then sees the end of its connection.
                let _ = connect(&of_listener, &client, seed);
            }
        });
        Proxy { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Leads new connections to another server. Those that there are stay where they are.
    pub(crate) fn lead_to(&self, redis_port: u16) {
        self.shared.redis_port.store(redis_port, Ordering::Relaxed);
    }

    /// Makes trouble from now on, for the connections that there are, too.
    pub(crate) fn make(&self, trouble: Trouble) {
        *self.shared.trouble.lock().unwrap() = trouble;
    }

    /// How many cuts, delays, losses or wrong replies there were.
    pub(crate) fn troubles(&self) -> usize {
        self.shared.troubles.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Starts the threads of one connection; they end with it.
fn connect(shared: &Arc<Shared>, client: &TcpStream, seed: u64) -> std::io::Result<()> {
    let redis = TcpStream::connect(("127.0.0.1", shared.redis_port.load(Ordering::Relaxed)))?;
    client.set_nodelay(true)?;
    redis.set_nodelay(true)?;
    let pipe = |from: &TcpStream, to: &TcpStream, seed| -> std::io::Result<Pipe> {
        let (from, to, random) = (from.try_clone()?, to.try_clone()?, Random::new(seed));
        Ok(Pipe { from, to, shared: shared.clone(), random, bytes_to_cut: None })
    };
    let mut requests = pipe(client, &redis, seed)?;
    let mut replies = pipe(&redis, client, seed + 1)?;
    let mut changes = Changes {
        from: redis.try_clone()?,
        shared: shared.clone(),
        random: Random::new(seed + 1),
        last: Vec::new(),
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = requests.run();
        requests.close();
    });
    std::thread::spawn(move || {
        let _ = changes.run(&sender);
    });
    std::thread::spawn(move || {
        let _ = replies.run_later(&receiver);
        replies.close();
    });
    Ok(())
}

/// One direction of a connection.
struct Pipe {
    from: TcpStream,
    to: TcpStream,
    shared: Arc<Shared>,
    random: Random,
    /// Chosen when the first bytes pass under [`Trouble::Cut`].
    bytes_to_cut: Option<usize>,
}

impl Pipe {
    /// Passes on what arrives.
    fn run(&mut self) -> std::io::Result<()> {
        let mut buffer = [0; 1 << 14];
        loop {
            let length = self.from.read(&mut buffer)?;
            if length == 0 || !self.pass(&buffer[..length])? {
                return Ok(());
            }
        }
    }

    /// Passes on what comes through a channel, each piece when it is due.
    fn run_later(&mut self, pieces: &Receiver<(Instant, Vec<u8>)>) -> std::io::Result<()> {
        for (due, bytes) in pieces {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if !self.pass(&bytes)? {
                break;
            }
        }
        Ok(())
    }

    /// Passes bytes on up to the cut. False when that is reached.
    fn pass(&mut self, bytes: &[u8]) -> std::io::Result<bool> {
        let trouble = *self.shared.trouble.lock().unwrap();
        if matches!(trouble, Trouble::Silence) {
            self.shared.troubles.fetch_add(1, Ordering::Relaxed);
            return Ok(true);
        }
        if !matches!(trouble, Trouble::Cut) {
            self.to.write_all(bytes)?;
            return Ok(true);
        }
        // Some of them in the greeting, so that connecting is cut, too.
        let random = &mut self.random;
        let left = *self.bytes_to_cut.get_or_insert_with(|| match random.below(4) {
            0 => random.below(200),
            _ => random.below(5000),
        });
        let passed = left.min(bytes.len());
        self.to.write_all(&bytes[..passed])?;
        self.bytes_to_cut = Some(left - passed);
        let cut = passed < bytes.len();
        self.shared.troubles.fetch_add(usize::from(cut), Ordering::Relaxed);
        Ok(!cut)
    }

    fn close(&self) {
        let _ = self.from.shutdown(Shutdown::Both);
        let _ = self.to.shutdown(Shutdown::Both);
    }
}

/// Takes the server's bytes apart into replies, and passes these or others on.
struct Changes {
    from: TcpStream,
    shared: Arc<Shared>,
    random: Random,
    /// The reply before, which somebody else asked for.
    last: Vec<u8>,
}

impl Changes {
    fn run(
        &mut self,
        pieces: &Sender<(Instant, Vec<u8>)>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let (mut buffer, mut waiting) = ([0; 1 << 14], Vec::new());
        loop {
            let length = self.from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            waiting.extend_from_slice(&buffer[..length]);
            let trouble = *self.shared.trouble.lock().unwrap();
            let mut piece = Vec::new();
            while let Some(length) = reply_length(&waiting) {
                let reply: Vec<u8> = waiting.drain(..length).collect();
                piece.extend(self.change(&reply, trouble));
                self.last = reply;
            }
            let delay = if let Trouble::Delay(delay) = trouble { delay } else { Duration::ZERO };
            pieces.send((Instant::now() + delay, piece))?;
        }
    }

    fn change(&mut self, reply: &[u8], trouble: Trouble) -> Vec<u8> {
        let chosen = self.random.below(ONE_IN) == 0;
        let changed = match trouble {
            Trouble::Double if chosen => [reply, reply].concat(),
            Trouble::Replace if chosen => self.other_reply(),
            Trouble::Garbage if chosen => {
                let length = 1 + self.random.below(100);
                self.random.bytes(length)
            }
            Trouble::Delay(_) => reply.to_vec(),
            Trouble::Time(seconds) if is_time(reply) => {
                let digits = seconds.to_string();
                format!("*2\r\n${}\r\n{digits}\r\n$1\r\n0\r\n", digits.len()).into_bytes()
            }
            _ => return reply.to_vec(),
        };
        self.shared.troubles.fetch_add(1, Ordering::Relaxed);
        changed
    }

    fn other_reply(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            0 => b"$-1\r\n".to_vec(),
            1 => b"+OK\r\n".to_vec(),
            2 => b":1\r\n".to_vec(),
            3 => b"*0\r\n".to_vec(),
            4 => b"-ERR of another world\r\n".to_vec(),
            5 => [&b"$13\r\n"[..], &self.random.bytes(13), b"\r\n"].concat(),
            _ => self.last.clone(),
        }
    }
}

/// Whether a reply looks like that to TIME.
fn is_time(reply: &[u8]) -> bool {
    let seconds = reply.strip_prefix(b"*2\r\n$10\r\n").and_then(|rest| rest.get(..10));
    seconds.is_some_and(|seconds| seconds.iter().all(u8::is_ascii_digit))
}

/// The length of the first whole reply (RESP 2 or 3), or `None` where it is not there yet.
fn reply_length(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let count = || std::str::from_utf8(&bytes[1..line - 2]).ok()?.parse::<usize>().ok();
    match bytes[0] {
        b'$' | b'!' | b'=' => {
            let end = count().map_or(line, |length| line + length + 2);
            (end <= bytes.len()).then_some(end)
        }
        kind @ (b'*' | b'~' | b'>' | b'%') => {
            let pairs = if kind == b'%' { 2 } else { 1 };
            let mut end = line;
            for _ in 0..pairs * count().unwrap_or(0) {
                end += reply_length(&bytes[end..])?;
            }
            Some(end)
        }
        _ => Some(line),
    }
}
