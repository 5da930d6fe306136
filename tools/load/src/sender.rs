//! Sending pushes as the platforms do: each with its time limit and its own way of trying again, until it is acknowledged or
//! given up.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashSet};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use operator::erase_quietly;
use operator::http::Http;
use runtime::ingress::receive::Receiver;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::call::{Call, World};
use super::laaffic::callee_of;
use super::plan::{Kind, Push, kinds};
use super::report::{Failure, Figures, GivenUp, Sent};

/// What a gateway answers that knows not the token, the sender or the path.
const REFUSALS: [u16; 3] = [401, 403, 404];
/// Where so many attempts in a row from the first on are refused, all will be.
const FIRST_REFUSALS: usize = 10;

/// How many requests are under way at once.
const MAX_IN_FLIGHT: usize = 64;

/// Where pushes go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The base URL, without a slash at its end.
    pub(super) base: String,
    /// The token.
    pub(super) token: String,
    /// How long an answer is waited for, where that is not as long as the platforms wait.
    pub(super) patience: Option<Duration>,
}

/// How long a platform waits for an answer.
fn time_limit(kind: Kind) -> Duration {
    match kind {
        // <https://help.aliyun.com/document_detail/112503.html>
        Kind::Report | Kind::Record | Kind::Note | Kind::RedialedReport | Kind::DeadRecord => {
            Duration::from_millis(700)
        }
        // Neither documents one; this is what HTTP clients usually come with.
        Kind::AiVoice
        | Kind::AiVoiceWrapped
        | Kind::CorrectedAiVoice
        | Kind::Laaffic
        | Kind::CorrectedLaaffic => Duration::from_secs(10),
    }
}

/// How long after failed attempt number `attempt`, counted from one, a platform tries again; `None` where it gives up.
fn pause_after(kind: Kind, attempt: u32) -> Option<Duration> {
    let minutes = match kind {
        Kind::Report | Kind::Record | Kind::Note | Kind::RedialedReport | Kind::DeadRecord => {
            *[1, 5, 10].get(attempt as usize - 1)?
        }
        // The engine under it: at most ten, doubling.
        Kind::AiVoice | Kind::AiVoiceWrapped | Kind::CorrectedAiVoice => {
            (attempt <= 10).then(|| 1 << (attempt - 1))?
        }
        // Not documented: the least that can be expected.
        Kind::Laaffic | Kind::CorrectedLaaffic => (attempt == 1).then_some(1)?,
    };
    Some(Duration::from_secs(minutes * 60))
}

/// How an attempt ended: which push, the how manieth attempt, how long it took.
type Attempted = (usize, u32, Duration, Result<(), Failure>);

/// Erases people while it is sent, as the operator would who was asked to.
pub(super) struct Erasing {
    /// The stores.
    pub(super) stores: Arc<Receiver>,
    /// How many people are erased.
    pub(super) people: usize,
}

impl Erasing {
    /// A call of the push whose callee can be erased by now: of its function no other message comes, which could tell another
    /// callee, and its number is known whole.
    fn choose(&self, world: &World, push: &Push, acknowledged: &HashSet<(u32, Kind)>) -> Option<Call> {
        let calls = push.messages.iter().map(|message| world.call(message.call));
        let mut settled = calls.filter(|call| {
            call.named
                && !call.callee.contains('*')
                && kinds(call).iter().all(|kind| {
                    // What is weaker tells no callee: it may come later, and meets the tombstone.
                    matches!(kind, Kind::Record | Kind::DeadRecord | Kind::Note)
                        || acknowledged.contains(&(call.index, *kind))
                })
        });
        settled.next()
    }
}

/// How often an erasure is tried that the stores' failures broke off, and the pause between.
const ERASURES: usize = 60;
const BEFORE_ERASING_AGAIN: Duration = Duration::from_secs(1);

async fn erase(stores: Arc<Receiver>, call: Call) -> anyhow::Result<u32> {
    let mut tries = 1;
    while let Err(error) = erase_quietly(&stores, callee_of(&call)).await {
        if tries == ERASURES {
            return Err(error);
        }
        tries += 1;
        tokio::time::sleep(BEFORE_ERASING_AGAIN).await;
    }
    Ok(call.index)
}

/// The answers so far, as long as every one is a refusal.
struct Refusals {
    /// Their statuses; `None` once there was another answer.
    all: Option<BTreeSet<u16>>,
    answers: usize,
}

impl Refusals {
    fn new() -> Self {
        Self { all: Some(BTreeSet::new()), answers: 0 }
    }

    /// Enters an attempt's result.
    ///
    /// # Errors
    /// Once as many as `enough` were answered, and each was a refusal: what to mend.
    fn enter(&mut self, result: &Result<(), Failure>, enough: usize) -> anyhow::Result<()> {
        match (result, &mut self.all) {
            (_, None) | (Err(Failure::NoAnswer(_)), _) => return Ok(()),
            (Err(Failure::Status(status)), Some(all)) if REFUSALS.contains(status) => {
                all.insert(*status);
            }
            _ => self.all = None,
        }
        self.answers += 1;
        let Some(all) = self.all.as_ref().filter(|_| self.answers >= enough) else { return Ok(()) };
        let statuses: Vec<_> = all.iter().map(ToString::to_string).collect();
        let mend = match statuses[..] {
            [ref only] if only == "401" => "the token is not accepted: say which by --token",
            [ref only] if only == "404" => {
                "there is no such path: is --to the API's base URL, without /push?"
            }
            _ => "is --token accepted, may this address push, and is --to the API's base URL, without /push?",
        };
        bail!("the first {} answers were all {}: {mend}", self.answers, statuses.join(" or "))
    }
}

/// Sends all pushes, and erases people meanwhile.
///
/// # Errors
/// Where somebody can't be erased; where the first answers are all refusals.
pub(super) async fn send(
    world: &Arc<World>,
    plan: Vec<Push>,
    target: &Target,
    time_scale: f64,
    erasing: Option<Erasing>,
) -> anyhow::Result<Sent> {
    let mut erasures: JoinSet<anyhow::Result<u32>> = JoinSet::new();
    let mut chosen: HashSet<u32> = HashSet::new();
    // Spread over the whole of it.
    let every = erasing.as_ref().map_or(usize::MAX, |erasing| (plan.len() / (erasing.people + 1)).max(1));
    let started = jiff::Timestamp::now();
    let begin = Instant::now();
    let plan = Arc::new(plan);
    let http = Http::new();
    let mut due: BinaryHeap<Reverse<(Instant, usize, u32)>> =
        plan.iter().enumerate().map(|(number, push)| Reverse((begin + push.at, number, 1))).collect();
    let mut under_way: JoinSet<Attempted> = JoinSet::new();
    let mut sent = Sent {
        figures: Figures::default(),
        acknowledged: HashSet::new(),
        erased: HashSet::new(),
        envelopes: HashSet::new(),
        given_up: Vec::new(),
        started,
        took: Duration::ZERO,
    };
    let mut progress = Progress::new(plan.len());
    let mut refusals = Refusals::new();
    let enough = FIRST_REFUSALS.min(plan.len());
    while !due.is_empty() || !under_way.is_empty() {
        let next = due.peek().map(|Reverse((at, _, _))| *at).filter(|_| under_way.len() < MAX_IN_FLIGHT);
        tokio::select! {
            () = sleep_until(next.unwrap_or(begin)), if next.is_some() => {
                let Some(Reverse((_, number, attempt))) = due.pop() else { continue };
                under_way.spawn(attempt_one(Arc::clone(world), Arc::clone(&plan), http.clone(), target.clone(), number, attempt));
            }
            Some(Ok((number, attempt, took, result))) = under_way.join_next() => {
                let push = &plan[number];
                if let Err(error) = refusals.enter(&result, enough) {
                    progress.end();
                    return Err(error);
                }
                let answered = !matches!(result, Err(Failure::NoAnswer(_)));
                sent.figures.attempt(push.kind, attempt, answered.then_some(took));
                match (result, pause_after(push.kind, attempt)) {
                    (Ok(()), _) => {
                        sent.figures.of(push.kind).acknowledged += 1;
                        sent.envelopes.extend(world.beside_the_list(push));
                        sent.acknowledged.extend(push.messages.iter().map(|message| (message.call, message.kind)));
                        let is_time = sent.figures.total(|kind| kind.acknowledged) as usize > every * (chosen.len() + 1);
                        if let Some(erasing) = erasing.as_ref().filter(|erasing| is_time && chosen.len() < erasing.people)
                            && let Some(call) = erasing.choose(world, push, &sent.acknowledged)
                            && chosen.insert(call.index)
                        {
                            erasures.spawn(erase(Arc::clone(&erasing.stores), call));
                        }
                    }
                    (Err(failure), Some(pause)) => {
                        sent.figures.failure(failure);
                        due.push(Reverse((Instant::now() + pause.mul_f64(time_scale), number, attempt + 1)));
                    }
                    (Err(failure), None) => {
                        sent.figures.failure(failure);
                        sent.figures.of(push.kind).given_up += 1;
                        sent.given_up.push(GivenUp {
                            kind: push.kind, messages: push.messages.clone(), attempts: attempt, last: failure,
                        });
                    }
                }
                progress.show(&sent.figures, due.len());
            }
        }
    }
    progress.end();
    sent.took = begin.elapsed();
    while let Some(erased) = erasures.join_next().await {
        sent.erased.insert(erased.context("an erasure was broken off")?.context("somebody can't be erased")?);
    }
    Ok(sent)
}

async fn attempt_one(
    world: Arc<World>,
    plan: Arc<Vec<Push>>,
    http: Http,
    target: Target,
    number: usize,
    attempt: u32,
) -> Attempted {
    let push = &plan[number];
    let url = format!("{}/push/{}/{}", target.base, push.kind.function(), target.token);
    let body = world.body(push);
    let began = Instant::now();
    let answer = http.post(&url, body, target.patience.unwrap_or(time_limit(push.kind))).await;
    let result = match answer {
        Ok((200, body)) => match serde_json::from_slice::<Value>(&body) {
            Ok(answer) if answer["code"].is_number() => Ok(()),
            _ => Err(Failure::NoCode),
        },
        Ok((status, _)) => Err(Failure::Status(status)),
        Err(no_answer) => Err(no_answer.into()),
    };
    (number, attempt, began.elapsed(), result)
}

/// One line on stderr: rewritten each second on a terminal, else written every ten.
struct Progress {
    pushes: usize,
    every: Duration,
    on_terminal: bool,
    shown: Instant,
}

impl Progress {
    fn new(pushes: usize) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        Self {
            pushes,
            every: Duration::from_secs(if on_terminal { 1 } else { 10 }),
            on_terminal,
            shown: Instant::now(),
        }
    }

    fn show(&mut self, figures: &Figures, waiting: usize) {
        if self.shown.elapsed() < self.every {
            return;
        }
        self.shown = Instant::now();
        let line = format!(
            "{} of {} pushes acknowledged, {} waiting, {} tried again, {} given up",
            figures.total(|kind| kind.acknowledged),
            self.pushes,
            waiting,
            figures.total(|kind| kind.retried),
            figures.total(|kind| kind.given_up),
        );
        // Nobody reads it: no reason to stop.
        let _ = match self.on_terminal {
            true => write!(std::io::stderr(), "\r\x1b[2K{line}"),
            false => writeln!(std::io::stderr(), "{line}"),
        };
    }

    fn end(&self) {
        if self.on_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refuses_everybody_from_the_first_on_is_told_and_nothing_else() {
        let status = |status| Err(Failure::Status(status));
        let told = |results: &[Result<(), Failure>]| {
            let mut refusals = Refusals::new();
            results.iter().find_map(|result| refusals.enter(result, 3).err()).map(|error| error.to_string())
        };
        let refused = |statuses: &[u16]| told(&statuses.iter().map(|code| status(*code)).collect::<Vec<_>>());
        assert_eq!(
            refused(&[401, 401, 401]).unwrap(),
            "the first 3 answers were all 401: the token is not accepted: say which by --token"
        );
        assert!(refused(&[404, 404, 404]).unwrap().contains("without /push"));
        assert!(refused(&[403, 401, 403]).unwrap().starts_with("the first 3 answers were all 401 or 403: "));
        assert_eq!(refused(&[401, 401]), None, "too few to tell");
        assert_eq!(refused(&[401, 503, 401, 401, 401]), None, "somebody is let in");
        assert_eq!(told(&[Ok(()), status(401), status(401), status(401)]), None);
        let silent = || Err(Failure::NoAnswer(operator::http::NoAnswer::TimedOut));
        assert_eq!(told(&[silent(), silent(), silent(), status(401)]), None, "nobody answered");
        assert!(told(&[silent(), status(401), status(401), silent(), status(401)]).is_some());
    }

    #[test]
    fn each_platform_tries_again_as_it_says_and_then_gives_up() {
        let minutes = |kind| -> Vec<u64> {
            (1..).map_while(|attempt| pause_after(kind, attempt)).map(|pause| pause.as_secs() / 60).collect()
        };
        assert_eq!(minutes(Kind::Report), [1, 5, 10]);
        assert_eq!(minutes(Kind::AiVoice), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(minutes(Kind::Laaffic), [1]);
    }
}
