//! The entry: arguments to command to exit code.
use clap::Parser;
#[derive(Parser)]
enum Cli {
    Serve {
        #[arg(long)]
        config: std::path::PathBuf,
    },
    Bench(callbridge::bench::BenchArgs),
}
fn main() -> std::process::ExitCode {
    match Cli::parse() {
        Cli::Serve { config } => match callbridge::daemon::serve(&config) {
            Ok(()) => 0.into(),
            Err(e) => {
                eprintln!("callbridge: {e}");
                e.exit_code().into()
            }
        },
        Cli::Bench(a) => callbridge::bench::run(&a),
    }
}
