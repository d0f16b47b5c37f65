//! The gateway binary.

use std::{
    io::{Write as _, stdout},
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _};
use gateway::{config, explain, release_claims};

use self::args::{Args, Command, ConfigCommand};

mod args;
mod memory;

/// The image's binary is static, and musl's own allocator has one lock for all threads. This one gives memory back, too.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let matches = Args::command().get_matches();
    let Args { config, command } = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let config = config.as_deref();
    let result = match command {
        Some(Command::Crd) => gateway::remediation::crd_yaml().map(|yaml| say(&yaml)).map_err(|e| e.to_string()),
        Some(Command::Config { command: ConfigCommand::Check { file, syntax_only } }) => {
            let files = if syntax_only { config::Files::Unchecked } else { config::Files::Required };
            config::check(file.as_deref().or(config), files, gateway::runtime::unusable_files)
                .map(|done| say(&format!("{done}\n")))
        }
        Some(Command::Config { command: ConfigCommand::Print { file } }) => {
            let named_by = args::config_named_by(&matches, file.is_some());
            config::print(file.as_deref().or(config), named_by).map(|yaml| say(&yaml))
        }
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "gateway", &mut script);
            say(&String::from_utf8_lossy(&script));
            Ok(())
        }
        Some(Command::Explain { file, offline, json, namespace }) => {
            let options = explain::Options { offline, json, namespace };
            explain::run(config, &file, options).await.map_err(|error| error.to_string())
        }
        Some(Command::ReleaseClaims { namespace, scale_down, wait, yes: _, leases }) => {
            let options = release_claims::Options { namespace, scale_down, wait, leases };
            match release_claims::run(config, &options).await {
                Ok(_) => Ok(()),
                Err(error) => {
                    eprintln!("gateway: {error}");
                    return ExitCode::from(error.exit_code());
                }
            }
        }
        None => {
            if cfg!(target_env = "musl") {
                memory::give_back();
            }
            gateway::runtime::run(config).await.map_err(|error| error.to_string())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("gateway: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Prints `text`: whoever reads it may have read enough.
fn say(text: &str) {
    let _ = stdout().write_all(text.as_bytes());
}
