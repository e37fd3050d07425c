//! The daemon under measure: started on core 0, or already running. Owns its process and the reading of its CPU and memory
//! from `/proc`; ends what it started.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

use super::{BenchArgs, BenchError};

/// Clock ticks of `/proc/PID/stat` per second on Linux.
const TICKS: u64 = 100;

/// A daemon being measured.
pub struct Target {
    /// Its API.
    pub http: SocketAddr,
    /// Who places the calls.
    pub business: String,
    /// With what password.
    pub password: String,
    admin: Option<SocketAddr>,
    pid: u32,
    child: Option<(Child, std::path::PathBuf)>,
}

/// The daemon with no call.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Idle {
    cpu_core_share: f64,
    memory_kilobytes: u64,
}

impl Target {
    /// Takes the daemon that was named, or starts one whose switch is the phones.
    pub fn start(args: &BenchArgs, phones: SocketAddr) -> Result<Target, BenchError> {
        match (&args.url, args.pid, &args.business, &args.password_file) {
            (Some(url), Some(pid), Some(business), Some(file)) => {
                let text = std::fs::read_to_string(file)?;
                let password = text.lines().next().unwrap_or_default().to_owned();
                Ok(Target { http: *url, business: business.clone(), password, admin: args.admin, pid, child: None })
            }
            _ => Target::spawn(args, phones),
        }
    }

    fn spawn(args: &BenchArgs, phones: SocketAddr) -> Result<Target, BenchError> {
        let folder = std::env::temp_dir().join(format!("callbridge-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let password = "bench on loopback".to_owned();
        std::fs::write(folder.join("password"), &password)?;
        let (http, admin, sip) = (free_tcp()?, free_tcp()?, free_udp()?);
        let config = folder.join("callbridge.toml");
        let mut file = std::fs::File::create(&config)?;
        write!(
            file,
            "[http]\nlisten = \"{http}\"\n[admin]\nlisten = \"{admin}\"\n[sip]\nlisten = [\"udp:{sip}\"]\n\
             [media]\nports = \"10000-32000\"\n{}io = \"{}\"\n[call]\nmax_calls = 20000\nmax_call_seconds = 3600\n\
             [store]\nurl = \"sqlite:bench.db\"\n[log]\nfilter = \"warn,ready=info\"\n\
             [[switch]]\nname = \"bench\"\naddress = \"sip:{phones};transport=udp\"\nprefixes = [\"+1\"]\n{}\
             [[business]]\nid = \"bench\"\nname = \"Bench\"\npassword_file = \"password\"\n\
             max_concurrent = 100000\nmax_per_second = 100000\nmax_scheduled = 1000000\n{}",
            args.tick_ms.map(|ms| format!("tick_ms = {ms}\n")).unwrap_or_default(),
            args.io,
            args.talk.switch_lines(),
            args.talk.business_lines()
        )?;
        pin(0)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = child.id();
        let errors = child.stderr.take();
        let business = "bench".to_owned();
        let target = Target { http, business, password, admin: Some(admin), pid, child: Some((child, folder)) };
        let mut seen = String::new();
        let mut lines = errors.map(BufReader::new).into_iter().flat_map(BufRead::lines);
        for line in lines.by_ref().map_while(Result::ok) {
            if line.contains("ready") {
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(target);
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        Err(BenchError::Daemon(seen))
    }

    /// CPU time used so far.
    pub fn cpu(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The name in brackets may hold spaces; fields 14 and 15 of proc(5) are user and system time.
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// Resident memory.
    pub fn rss_kilobytes(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
        Ok(line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0))
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> io::Result<u64> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid))?.count() as u64)
    }

    /// A metric without labels; none where the metrics are not to be had.
    pub fn metric(&self, name: &str) -> Result<Option<u64>, BenchError> {
        let Some(admin) = self.admin else { return Ok(None) };
        let text = super::client::metrics(admin)?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.and_then(|value| value.trim().parse::<f64>().ok()).map(|value| value as u64))
    }

    /// What it costs with no call.
    pub fn idle(&self, during: Duration) -> io::Result<Idle> {
        let (before, begin) = (self.cpu()?, Instant::now());
        std::thread::sleep(during);
        let used = self.cpu()?.saturating_sub(before);
        let cpu_core_share = used.as_secs_f64() / begin.elapsed().as_secs_f64();
        Ok(Idle { cpu_core_share, memory_kilobytes: self.rss_kilobytes()? })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((child, folder)) = &mut self.child {
            let _killed = child.kill();
            let _ended = child.wait();
            let _gone = std::fs::remove_dir_all(folder);
        }
    }
}

/// Puts this thread, and all that it starts from now on, on one core.
pub fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

fn free_tcp() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn free_udp() -> io::Result<SocketAddr> {
    UdpSocket::bind("127.0.0.1:0")?.local_addr()
}
