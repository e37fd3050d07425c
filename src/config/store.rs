//! `[store]`: which database keeps what must survive, and the folder beside it. Owns how `url` is read, that its password is never shown, and
//! that a database elsewhere is not spoken to in the clear by accident; refuses to connect.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::reader::{At, Reader, Section};

const MEND: &str = "write url = \"sqlite:callbridge.db\" or url = \"postgres://user:password@host:5432/database\"";
/// Where PostgreSQL listens when nothing is said.
const POSTGRES_PORT: u16 = 5432;

/// `[store]`
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The database.
    pub place: StorePlace,
    /// Rendered prompts and uploaded recordings are kept here: beside a SQLite file, else where the configuration is.
    pub folder: PathBuf,
    /// Ladders are forgotten after so many days.
    pub ladder_days: u32,
}

/// Where a store is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StorePlace {
    /// A SQLite file, from `sqlite:PATH`.
    Sqlite(PathBuf),
    /// A PostgreSQL database, from `postgres://…`.
    Postgres(PostgresPlace),
}

/// A database of a PostgreSQL server, and who asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostgresPlace {
    /// A name or address; a folder when it begins with a slash: the server's socket is in it.
    pub host: String,
    /// TCP port; also part of the socket's name.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Its password, if there is one.
    pub password: Option<StorePassword>,
    /// The database.
    pub database: String,
    /// Whether what is said is encrypted.
    pub tls: PostgresTls,
}

/// `sslmode` and `sslrootcert`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PostgresTls {
    /// In the clear: by a socket, on loopback, or because `sslmode=disable` says so.
    Clear,
    /// Encrypted, and the server has shown a certificate for its name.
    Verified {
        /// The authorities; those of the system where none are named.
        authorities: Option<PathBuf>,
    },
}

/// A database's password; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct StorePassword(String);

impl StorePassword {
    /// For the server only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StorePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorePassword(…)")
    }
}

/// Without the password: it may stand in a log.
impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorePlace::Sqlite(path) => path.display().fmt(f),
            StorePlace::Postgres(place) => {
                let PostgresPlace { host, port, user, database, .. } = place;
                match host.starts_with('/') {
                    true => write!(f, "postgres://{user}@/{database}?host={host}&port={port}"),
                    false => write!(f, "postgres://{user}@{}:{port}/{database}", bracketed(host)),
                }
            }
        }
    }
}

fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { Cow::Owned(format!("[{host}]")) } else { Cow::Borrowed(host) }
}

impl From<&Path> for StorePlace {
    fn from(path: &Path) -> StorePlace {
        StorePlace::Sqlite(path.to_owned())
    }
}

impl From<&PathBuf> for StorePlace {
    fn from(path: &PathBuf) -> StorePlace {
        StorePlace::Sqlite(path.clone())
    }
}

impl From<&StorePlace> for StorePlace {
    fn from(place: &StorePlace) -> StorePlace {
        place.clone()
    }
}

/// Why a text names no store. Says nothing of the text: a password may be in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreUrlError {
    /// `sqlite:` without a file.
    #[error("no file, and an accepted call must survive a restart")]
    Memory,
    /// Another scheme.
    #[error("not a store that this version knows: it begins neither with sqlite: nor with postgres://")]
    Scheme,
    /// A part is missing or cannot be read.
    #[error("a postgres:// URL without a readable {0}")]
    Part(&'static str),
    /// A word after the question mark.
    #[error(
        "a postgres:// URL with something unknown after the question mark: sslmode, sslrootcert, host and port are known"
    )]
    Parameter,
    /// An `sslmode` that promises less than it seems.
    #[error(
        "a postgres:// URL with an sslmode that is not disable, require or verify-full: the others may end in the clear or trust anybody"
    )]
    Mode,
}

impl StorePlace {
    /// Reads a `url`; `base` is what relative paths begin at.
    pub fn parse(url: &str, base: &Path) -> Result<StorePlace, StoreUrlError> {
        match url.split_once(':') {
            Some(("sqlite", "" | ":memory:")) => Err(StoreUrlError::Memory),
            Some(("sqlite", path)) if !path.contains(['?', '\0']) => {
                Ok(StorePlace::Sqlite(base.join(path.strip_prefix("//").unwrap_or(path))))
            }
            Some(("postgres" | "postgresql", rest)) => {
                let rest = rest.strip_prefix("//").ok_or(StoreUrlError::Part("//"))?;
                postgres(rest, base).map(StorePlace::Postgres)
            }
            _ => Err(StoreUrlError::Scheme),
        }
    }
}

fn postgres(text: &str, base: &Path) -> Result<PostgresPlace, StoreUrlError> {
    let part = StoreUrlError::Part;
    let (before, words) = text.split_once('?').unwrap_or((text, ""));
    let (authority, database) = before.split_once('/').ok_or(part("database"))?;
    let (credentials, address) = authority.rsplit_once('@').ok_or(part("user"))?;
    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (credentials, None),
    };
    let (host, port) = match address.strip_prefix('[').map(|rest| rest.split_once(']').ok_or(part("host"))) {
        Some(found) => {
            let (host, rest) = found?;
            (host, rest.strip_prefix(':'))
        }
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let read = |text: &str, what| plain(text).ok_or(part(what)).map(Cow::into_owned);
    let number = |port: &str| port.parse().ok().filter(|port| *port > 0).ok_or(part("port"));
    let mut place = PostgresPlace {
        host: read(host, "host")?,
        port: port.map_or(Ok(POSTGRES_PORT), number)?,
        user: read(user, "user")?,
        password: password.map(|text| read(text, "password").map(StorePassword)).transpose()?,
        database: read(database, "database")?,
        tls: PostgresTls::Clear,
    };
    let (mut mode, mut authorities) = (None, None);
    for word in words.split('&').filter(|word| !word.is_empty()) {
        match word.split_once('=').ok_or(StoreUrlError::Parameter)? {
            ("sslmode", value) => mode = Some(value),
            ("sslrootcert", value) => authorities = Some(base.join(read(value, "sslrootcert")?)),
            ("host", value) => place.host = read(value, "host")?,
            ("port", value) => place.port = number(value)?,
            _ => return Err(StoreUrlError::Parameter),
        }
    }
    for (what, text) in [("host", &place.host), ("user", &place.user), ("database", &place.database)] {
        if text.is_empty() {
            return Err(part(what));
        }
    }
    let local = place.host.starts_with('/')
        || place.host == "localhost"
        || place.host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    place.tls = match mode {
        Some("disable") => PostgresTls::Clear,
        Some("require" | "verify-full") => PostgresTls::Verified { authorities },
        Some(_) => return Err(StoreUrlError::Mode),
        None if local && authorities.is_none() => PostgresTls::Clear,
        None => PostgresTls::Verified { authorities },
    };
    Ok(place)
}

/// Without its percent signs; a zero byte is in no name.
fn plain(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return (!text.contains('\0')).then_some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(*high)? << 4 | digit(*low)?);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).map(Cow::Owned)
}

pub(super) fn store(reader: &mut Reader, mut section: Section<'_>) -> StoreConfig {
    let base = reader.path("");
    let place = section.text(reader, "url", MEND).and_then(|At { place, value }| {
        // Not told with its value, as other keys are: that may have a password in it.
        let read = StorePlace::parse(&value, &base);
        read.map_err(|error| reader.error(&place, &section.key("url"), error, MEND)).ok()
    });
    let place = place.unwrap_or_else(|| StorePlace::Sqlite(base.join("callbridge.db")));
    let beside = match &place {
        StorePlace::Sqlite(path) => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        StorePlace::Postgres(_) => base,
    };
    let folder = section.path(reader, "folder").map_or(beside, |at| at.value);
    let ladder_days = section.integer(reader, "ladder_days", 1..=3650).unwrap_or(30);
    section.finish(reader);
    StoreConfig { place, folder, ladder_days }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(url: &str) -> Result<StorePlace, StoreUrlError> {
        StorePlace::parse(url, Path::new("/etc/callbridge"))
    }

    fn database(url: &str) -> PostgresPlace {
        match read(url).unwrap() {
            StorePlace::Postgres(place) => place,
            StorePlace::Sqlite(path) => panic!("{path:?}"),
        }
    }

    #[test]
    fn a_url_names_role_password_host_and_database_and_is_shown_without_the_password() {
        let place = database("postgres://call%40bridge:p%40ss%2Fw:ord@[::1]:6432/calls");
        assert_eq!((place.user.as_str(), place.host.as_str(), place.port), ("call@bridge", "::1", 6432));
        assert_eq!(place.password.as_ref().map(StorePassword::expose), Some("p@ss/w:ord"));
        assert_eq!((place.database.as_str(), &place.tls), ("calls", &PostgresTls::Clear));
        let shown = format!("{} {place:?}", StorePlace::Postgres(place.clone()));
        assert!(!shown.contains("p@ss") && shown.contains("postgres://call@bridge@[::1]:6432/calls"), "{shown}");
        let by_socket = database("postgres://callbridge@/calls?host=/run/postgresql");
        assert_eq!((by_socket.host.as_str(), by_socket.port), ("/run/postgresql", 5432));
        assert_eq!(by_socket.tls, PostgresTls::Clear);
    }

    #[test]
    fn a_database_elsewhere_is_spoken_to_in_the_clear_only_where_that_is_asked_for() {
        let verified =
            |authorities: Option<&str>| PostgresTls::Verified { authorities: authorities.map(PathBuf::from) };
        assert_eq!(database("postgres://u@db.example/d").tls, verified(None));
        assert_eq!(database("postgres://u@db.example/d?sslmode=require").tls, verified(None));
        assert_eq!(database("postgres://u@127.0.0.1/d?sslmode=verify-full").tls, verified(None));
        let named = database("postgres://u@db.example/d?sslrootcert=ca.pem");
        assert_eq!(named.tls, verified(Some("/etc/callbridge/ca.pem")));
        assert_eq!(database("postgres://u@db.example/d?sslmode=disable").tls, PostgresTls::Clear);
        for mode in ["prefer", "allow", "verify-ca", ""] {
            assert_eq!(read(&format!("postgres://u@db.example/d?sslmode={mode}")), Err(StoreUrlError::Mode));
        }
    }

    #[test]
    fn what_names_no_store_says_which_part_is_missing_and_nothing_of_the_text() {
        for (url, wanted) in [
            ("sqlite:", StoreUrlError::Memory),
            ("mysql://secret", StoreUrlError::Scheme),
            ("postgres:u@h/d", StoreUrlError::Part("//")),
            ("postgres://u:secret@h", StoreUrlError::Part("database")),
            ("postgres://h/d", StoreUrlError::Part("user")),
            ("postgres://u:secret@/d", StoreUrlError::Part("host")),
            ("postgres://u:secret@h:0/d", StoreUrlError::Part("port")),
            ("postgres://u:%zz@h/d", StoreUrlError::Part("password")),
            ("postgres://u:secret@h/d?passwrod=secret", StoreUrlError::Parameter),
        ] {
            let error = read(url).unwrap_err();
            assert_eq!(error, wanted, "{url}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_a_password_is_what_was_written(text in ".{0,60}", password in ".{1,20}") {
            let _any = read(&text);
            let written: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let place = read(&format!("postgres://u:{written}@h/d"));
            prop_assert_eq!(place.is_err(), password.contains('\0'));
            if let Ok(StorePlace::Postgres(place)) = place {
                prop_assert_eq!(place.password.map(|it| it.0), Some(password));
            }
        }
    }
}
