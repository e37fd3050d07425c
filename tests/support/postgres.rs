//! A PostgreSQL cluster of its own for a test binary: made by initdb in a temporary folder, run as a user that is not root, on a port of
//! loopback and a socket in that folder, with fsync as it is by default. A janitor (a shell that waits for its input to end) stops it and
//! removes the folder when the test process ends, however that is.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// A password that has to be escaped in a URL.
const PASSWORD: &str = "p@ss/w:ord";
const ESCAPED: &str = "p%40ss%2Fw%3Aord";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Cluster {
    folder: PathBuf,
    bin: PathBuf,
    port: u16,
    /// Uid and gid of who runs it, where this is root.
    user: Option<(u32, u32)>,
    server: Mutex<Option<Child>>,
    databases: AtomicU32,
    /// Acts when its input is closed.
    _janitor: Child,
}

/// The cluster of this process, started when it is first asked for.
pub fn shared() -> Arc<Cluster> {
    static CLUSTER: OnceLock<Arc<Cluster>> = OnceLock::new();
    Arc::clone(CLUSTER.get_or_init(|| Arc::new(Cluster::start())))
}

fn newest_bin() -> PathBuf {
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let found = std::fs::read_dir("/usr/lib/postgresql").expect("the Debian package postgresql (see ./check packages)");
    let newest = found.flatten().map(|entry| entry.path()).max_by_key(|path| number(path));
    newest.expect("a version of PostgreSQL").join("bin")
}

/// The system's user postgres, where this is root: PostgreSQL refuses to be run by root.
fn other_user() -> Option<(u32, u32)> {
    let id = |what: &str, of: &[&str]| {
        let out = Command::new("id").arg(what).args(of).output().expect("id");
        String::from_utf8_lossy(&out.stdout).trim().parse::<u32>().expect("a number")
    };
    (id("-u", &[]) == 0).then(|| (id("-u", &["postgres"]), id("-g", &["postgres"])))
}

impl Cluster {
    pub fn start() -> Cluster {
        let (bin, user) = (newest_bin(), other_user());
        // Sockets have short paths, and the other user must get there.
        let folder = tempfile::Builder::new().prefix("callbridge-pg.").tempdir_in("/tmp").expect("a folder").keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("its mode");
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).expect("its owner");
        }
        let script = "cat >/dev/null; cd /; [ -s \"$1/data/postmaster.pid\" ] && pid=$(head -n1 \"$1/data/postmaster.pid\") && \
                      kill -INT $pid 2>/dev/null; n=0; while [ -n \"$pid\" ] && kill -0 $pid 2>/dev/null && [ $n -lt 100 ]; do \
                      sleep 0.1; n=$((n+1)); done; rm -rf \"$1\"";
        let janitor = Command::new("setsid")
            .args(["sh", "-c", script, "janitor"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the janitor");
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
        let cluster = Cluster {
            folder,
            bin,
            port,
            user,
            server: Mutex::new(None),
            databases: AtomicU32::new(0),
            _janitor: janitor,
        };
        let password = cluster.folder.join("password");
        std::fs::write(&password, PASSWORD).expect("the password's file");
        if let Some((uid, gid)) = user {
            chown(&password, Some(uid), Some(gid)).expect("its owner");
        }
        let data = cluster.folder.join("data");
        let made = cluster
            .command("initdb")
            .args(["--no-sync", "--no-instructions", "--username=callbridge", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"])
            .arg(&password)
            .arg("-D")
            .arg(&data)
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster.run();
        cluster
    }

    /// A program of PostgreSQL's, run by who may.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some((uid, gid)) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
                command.arg(program);
                command
            }
        };
        command.current_dir(&self.folder).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// Starts the server and waits until it answers.
    pub fn run(&self) {
        let begun = Instant::now();
        loop {
            let log =
                std::fs::File::options().create(true).append(true).open(self.folder.join("log")).expect("its log");
            let mut server = self
                .command("postgres")
                .args(["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB", "-c", "max_wal_size=128MB"])
                .args(["-c", &format!("port={}", self.port), "-c", "log_line_prefix=%m [%p] ", "-k"])
                .arg(&self.folder)
                .arg("-D")
                .arg(self.folder.join("data"))
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("postgres");
            loop {
                let mut ready = self.command("pg_isready");
                ready.args(["-q", "-h"]).arg(&self.folder).args(["-p", &self.port.to_string()]);
                if ready.status().is_ok_and(|status| status.success()) {
                    *self.server.lock().expect("the server") = Some(server);
                    return;
                }
                assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not start:\n{}", self.log());
                // After a kill -9 the former one's processes may still hold its memory.
                if server.try_wait().expect("its state").is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(30));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// kill -9 of the server: what it had not written is gone.
    pub fn kill(&self) {
        if let Some(mut server) = self.server.lock().expect("the server").take() {
            server.kill().expect("the kill");
            server.wait().expect("its end");
        }
    }

    /// What the server says.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// A database of its own: its URL by TCP, with the password.
    pub fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://callbridge:{ESCAPED}@127.0.0.1:{}/{name}", self.port)
    }

    /// The same database by the server's socket.
    pub fn by_socket(&self, url: &str) -> String {
        let name = url.rsplit('/').next().expect("a name");
        format!("postgres://callbridge@/{name}?host={}&port={}", self.folder.display(), self.port)
    }

    /// From now on it can be spoken to encrypted; gives the certificate, which names 127.0.0.1 and no other.
    pub fn encrypt(&self) -> PathBuf {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let data = self.folder.join("data");
        let files =
            [(data.join("server.crt"), made.cert.pem()), (data.join("server.key"), made.signing_key.serialize_pem())];
        for (file, text) in &files {
            std::fs::write(file, text).expect("its file");
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
            if let Some((uid, gid)) = self.user {
                chown(file, Some(uid), Some(gid)).expect("its owner");
            }
        }
        self.sql("postgres", "ALTER SYSTEM SET ssl = on");
        self.sql("postgres", "SELECT pg_reload_conf()");
        let begun = Instant::now();
        while self.sql("postgres", "SHOW ssl") != "on" {
            assert!(begun.elapsed() < PATIENCE, "{}", self.log());
            std::thread::sleep(Duration::from_millis(30));
        }
        let [(certificate, _), _] = files;
        certificate
    }

    /// Runs SQL as its owner, and gives what it prints; `database`: a name or a URL.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let name = database.rsplit('/').next().expect("a name");
        let mut psql = self.command("psql");
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", "callbridge", "-h"]).arg(&self.folder);
        psql.args(["-p", &self.port.to_string(), "-d", name, "-c", sql]);
        let out = psql.output().expect("psql");
        assert!(out.status.success(), "{sql}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }
}
