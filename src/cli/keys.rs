//! `callbridge keys`: keys that messages are encrypted to. Owns the arguments and the file; a private key is written where only its
//! owner reads it, and shown never.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CliError, ConfigArgs};
use crate::config;
use crate::io::jose::Encryption;
use crate::io::jose::keys::{KeyKind, make};

/// Keep the keys that messages are encrypted to.
#[derive(Args, Debug)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand, Debug)]
enum KeysCommand {
    /// Make a private key file (JWK) that only its owner can read
    Make(MakeArgs),
    /// Print what partners see of the configured keys at /.well-known/jwks.json
    Show(ConfigArgs),
}

#[derive(Args, Debug)]
struct MakeArgs {
    /// Where to: a file that does not exist yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// p256 or x25519
    #[arg(long, value_name = "KIND", default_value = "p256", value_parser = KeyKind::parse)]
    kind: KeyKind,
}

pub(super) fn run(args: KeysArgs) -> Result<(), CliError> {
    match args.command {
        KeysCommand::Make(args) => {
            let (text, name) = make(args.kind).map_err(|_| io::Error::other("the system gives no randomness"))?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.out)?;
            writeln!(file, "{}", text.as_str())?;
            let path = args.out.display();
            writeln!(io::stdout(), "{path}: key {name}\nname it in [encryption] keys, and send SIGHUP to the daemon")?;
        }
        KeysCommand::Show(args) => {
            let config = config::load(&args.config)?;
            let encryption =
                Encryption::load(&config.encryption).map_err(|error| CliError::Refused(error.to_string()))?;
            writeln!(io::stdout(), "{:#}", encryption.keys.published())?;
        }
    }
    Ok(())
}
