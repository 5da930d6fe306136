//! `callvault`: the operator's commands and, with the feature `stack`, the local stack and all that is done with it.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[cfg(feature = "stack")]
mod demo;

/// Catches what AI outbound-call platforms push about each call.
#[cfg_attr(feature = "stack", doc = "Without a command: serve.")]
#[derive(Parser)]
#[command(version)]
#[cfg_attr(feature = "stack", command(args_conflicts_with_subcommands = true))]
struct Cli {
    #[cfg(feature = "stack")]
    #[command(subcommand)]
    command: Option<Command>,
    #[cfg(feature = "stack")]
    #[command(flatten)]
    serve: local_stack::Options,
    #[cfg(not(feature = "stack"))]
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the functions, with DynamoDB and S3 embedded, until Ctrl-C or SIGTERM.
    #[cfg(feature = "stack")]
    Serve(local_stack::Options),
    /// Push the sample of every document through a stack in memory, archive a recording, and show the calls that result.
    #[cfg(feature = "stack")]
    Demo,
    /// Run the provider simulator alone.
    #[cfg(feature = "stack")]
    Provider(local_stack::ProviderOptions),
    /// Store what was rejected, once the cause is mended.
    Redrive(operator::RedriveOptions),
    /// Read stored pushes anew, after a mapping was mended.
    Replay(operator::ReplayOptions),
    /// Remove all that is stored of a person.
    Erase(operator::EraseOptions),
    /// List calls, show one, follow them as they come.
    Calls(operator::CallsOptions),
    /// Follow events as the bus takes them, try what listens to them, tell them again.
    Events(operator::EventsOptions),
    /// Write calls for other programs, each as a vCon.
    Export(operator::ExportOptions),
    /// Have analytics' files written anew, and compare them with what is stored.
    Analytics(operator::AnalyticsOptions),
    /// Tell how archiving is doing, what is wrong with it, and what to do.
    Doctor(operator::DoctorOptions),
    /// Have a call's recordings archived now, whatever was planned for them.
    Archive(operator::ArchiveOptions),
    /// Add the SHA-512 to recordings that an earlier version archived.
    BackfillHashes(operator::BackfillHashesOptions),
    /// Push a made-up call to each push function, find it in the stores, and remove it.
    Smoke(operator::SmokeOptions),
    /// Play the platforms: push made-up calls, and hold the stores against them.
    #[cfg(feature = "stack")]
    Simulate(load::Options),
    /// Measure what pushes and recordings cost, beside the least that they could cost.
    #[cfg(feature = "stack")]
    Bench(bench::Options),
    /// Write a push function's crate, and its rows in every file that lists functions.
    #[cfg(feature = "stack")]
    NewFunction(scaffold::NewFunctionOptions),
    /// Tell who saw what: one call, all that somebody saw, all since a time.
    Audit(operator::AuditOptions),
    /// Mint a push token, and the SHA-256 of it to configure.
    Token,
    /// Get a token of the local stack's issuer, for the API over calls.
    AccessToken(operator::AccessTokenOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(feature = "stack")]
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    #[cfg(not(feature = "stack"))]
    let command = cli.command;
    let result = match command {
        #[cfg(feature = "stack")]
        Command::Serve(options) => local_stack::serve(options).await,
        #[cfg(feature = "stack")]
        Command::Demo => demo::run().await,
        #[cfg(feature = "stack")]
        Command::Provider(options) => local_stack::serve_provider(options).await,
        Command::Redrive(options) => operator::redrive(options).await,
        Command::Replay(options) => operator::replay(options).await,
        Command::Erase(options) => operator::erase(options).await,
        Command::Calls(options) => operator::calls(options).await,
        Command::Events(options) => operator::events(options).await,
        Command::Export(options) => operator::export(options).await,
        Command::Analytics(options) => operator::analytics(options).await,
        Command::Doctor(options) => operator::doctor(options).await,
        Command::Archive(options) => operator::archive(options).await,
        Command::BackfillHashes(options) => operator::backfill_hashes(options).await,
        Command::Smoke(options) => operator::smoke(options).await,
        #[cfg(feature = "stack")]
        Command::Simulate(options) => load::run(options).await,
        #[cfg(feature = "stack")]
        Command::Bench(options) => bench::run(options).await,
        #[cfg(feature = "stack")]
        Command::NewFunction(options) => scaffold::new_function(options),
        Command::Audit(options) => operator::audit(options).await,
        Command::Token => operator::token(),
        Command::AccessToken(options) => operator::access_token(options).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads what is told has read enough of it: `… | head`. It was not told to its end, and so it is no success.
        Err(error) if operator::is_of_the_reader(&error) => ExitCode::from(READER_GONE),
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// The exit code of a command whose output nobody reads to its end: as shells tell of a program that SIGPIPE ended.
const READER_GONE: u8 = 128 + 13;

/// One line, causes included, none of them twice.
fn complain(error: &anyhow::Error) {
    // Where nobody hears it, the exit code tells.
    let _ = writeln!(io::stderr(), "callvault: {}", operator::told(error));
}
