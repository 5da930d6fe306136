//! `callvault`: the local stack and the operator's commands.

use std::process::ExitCode;

use callvault::stack::Options;
use callvault::{bench, demo, operator, simulate, stack, token};
use clap::{Parser, Subcommand};

/// Catches what AI outbound-call platforms push about each call. Without a command: serve.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the functions, with DynamoDB and S3 embedded, until Ctrl-C or SIGTERM.
    Serve(Options),
    /// Push the sample of every document through a stack in memory, archive a recording, and show the calls that result.
    Demo,
    /// Run the provider simulator alone.
    Provider(stack::ProviderOptions),
    /// Store what was rejected, once the cause is mended.
    Redrive(operator::RedriveOptions),
    /// Read stored pushes anew, after a mapping was mended.
    Replay(operator::ReplayOptions),
    /// Remove all that is stored of a person.
    Erase(operator::EraseOptions),
    /// Write calls for other programs, each as a vCon.
    Export(operator::ExportOptions),
    /// Push a made-up call to each push function, find it in the stores, and remove it.
    Smoke(operator::SmokeOptions),
    /// Play the platforms: push made-up calls, and hold the stores against them.
    Simulate(simulate::Options),
    /// Measure what pushes and recordings cost, beside the least that they could cost.
    Bench(bench::Options),
    /// Mint a push token, and the SHA-256 of it to configure.
    Token,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => stack::serve(cli.serve).await,
        Some(Command::Serve(options)) => stack::serve(options).await,
        Some(Command::Demo) => demo::run().await,
        Some(Command::Provider(options)) => stack::serve_provider(options).await,
        Some(Command::Redrive(options)) => operator::redrive(options).await,
        Some(Command::Replay(options)) => operator::replay(options).await,
        Some(Command::Erase(options)) => operator::erase(options).await,
        Some(Command::Export(options)) => operator::export(options).await,
        Some(Command::Smoke(options)) => operator::smoke(options).await,
        Some(Command::Simulate(options)) => simulate::run(options).await,
        Some(Command::Bench(options)) => bench::run(options).await,
        Some(Command::Token) => token::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// One line, causes included.
#[expect(clippy::print_stderr, reason = "the last word of a command goes to the terminal")]
fn complain(error: &anyhow::Error) {
    eprintln!("callvault: {error:#}");
}
