//! A road to an equipment on which answers are lost: what is asked arrives, the first answers do not. Owns its threads' sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module.
pub struct Lossy {
    /// Where to ask.
    pub at: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Lossy {
    /// To `equipment`; the answers to the first `lost` POSTs never come back.
    pub fn to(equipment: SocketAddr, lost: usize) -> Lossy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = listener.local_addr().expect("bound");
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                std::thread::spawn(move || carry(stream, equipment, &count, lost));
            }
        });
        Lossy { at, asked }
    }

    /// POSTs that came along here.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn carry(mut near: TcpStream, equipment: SocketAddr, count: &AtomicUsize, lost: usize) {
    let Ok(mut far) = TcpStream::connect(equipment) else { return };
    let mut first = [0; 16 * 1024];
    let Ok(read) = near.read(&mut first) else { return };
    let is_post = first.starts_with(b"POST ");
    let number = if is_post { count.fetch_add(1, Ordering::SeqCst) } else { usize::MAX };
    if far.write_all(&first[..read]).is_err() {
        return;
    }
    let (Ok(mut near_again), Ok(mut far_again)) = (near.try_clone(), far.try_clone()) else { return };
    let there = std::thread::spawn(move || std::io::copy(&mut near_again, &mut far_again));
    if number < lost {
        // The equipment has answered: it has taken what was asked.
        let _answer = far.read(&mut first);
    } else {
        let _end = std::io::copy(&mut far, &mut near);
    }
    near.shutdown(Shutdown::Both).ok();
    far.shutdown(Shutdown::Both).ok();
    let _end = there.join();
}
