//! Somebody who asks: what they may see, and what they are about to see, which is recorded before the answer goes out.

use std::time::Duration;

use runtime::auth::callee_id::CalleeIdSource;
use runtime::auth::cursor::{CursorKeys, CursorSeal};
use runtime::aws::{Account, Patience};
use runtime::config::{ConfigError, Environment, StoreConfig, analytics_bucket_name};
use runtime::deadline::Deadline;
use runtime::metrics::Metrics;
use runtime::store::Store;
use runtime::store::access::AccessRetention;
use runtime::store::reading::CallHead;
use shared::access::{AccessEntry, Actor, CalleeIds, Permission, Via, What};
use shared::model::{CallKey, Instant};
use shared::reading::{Cursor, CursorError, Ties};
use shared::view::{Mask, Shown};

use crate::filter::{cursor_problem, problem};
use crate::parameter;
use crate::problem::Problem;
use crate::request::Query;

/// For how long the access log is waited for. The store's own patience is longer than API Gateway's, for which nobody would get an answer.
const MAX_RECORDING_TIME: Duration = Duration::from_secs(5);

/// What such a function has at hand from its start on.
#[derive(Debug)]
pub struct Reader {
    /// The stores.
    pub store: Store,
    /// By what callees get ids.
    pub callee_ids: CalleeIdSource,
    /// By what cursors are sealed.
    pub cursors: CursorKeys,
    /// For how long the access log is kept.
    pub retention: AccessRetention,
    /// The metrics.
    pub metrics: Metrics,
}

impl Reader {
    /// Reads the settings, with the account that they name.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn new(environment: &Environment<'_>) -> Result<(Self, Account), ConfigError> {
        let stores = StoreConfig::read(environment)?;
        let account = Account::of_function(environment, &stores)?;
        let reader = Self {
            callee_ids: CalleeIdSource::read(environment, &account)?,
            cursors: CursorKeys::read(environment, &account)?,
            store: Store::new(stores, account.clone(), Patience::Nobody)
                .with_analytics(analytics_bucket_name(environment)?),
            retention: AccessRetention::read(environment)?,
            metrics: Metrics::read(environment)?,
        };
        Ok((reader, account))
    }

    /// What gives callees ids.
    ///
    /// # Errors
    /// [`Problem::Unavailable`], where the secret can't be read.
    pub async fn callee_ids(&self) -> Result<&CalleeIds, Problem> {
        let ids = self.callee_ids.ids().await;
        ids.map_err(|error| Problem::unavailable("The secret with the key of callee ids", &error))
    }
}

/// Somebody who asks for something that they may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// What is at hand.
    pub reader: &'a Reader,
    /// Who asks.
    pub actor: &'a Actor,
    /// What gives callees ids.
    pub callee_ids: &'a CalleeIds,
    /// By which way.
    pub via: &'a Via,
    /// Whether numbers are shown, to somebody who may see them.
    pub numbers: bool,
    /// When.
    pub now: Instant,
    /// Until when there may be an answer.
    pub deadline: Deadline,
}

impl Visit<'_> {
    /// Whether numbers are shown.
    pub fn sees_numbers(&self) -> bool {
        self.numbers && self.actor.may(Permission::SeeNumbers)
    }

    /// How calls are shown, where `callee_id` gives a number's id.
    pub fn shown<'a>(&self, callee_id: &'a (dyn Fn(&str) -> Option<String> + Sync)) -> Shown<'a> {
        Shown { numbers: self.sees_numbers(), callee_id }
    }

    /// What may be seen of the texts of a call, where these are its callee's numbers.
    pub fn mask<'a>(&self, numbers: impl IntoIterator<Item = &'a str>) -> Mask {
        if self.sees_numbers() { Mask::none() } else { Mask::of(numbers) }
    }

    /// Where a list goes on, if its query tells, as `read` reads it.
    ///
    /// # Errors
    /// Where it is no cursor of the list; [`Problem::Unavailable`], where the secret can't be read that cursors are sealed by.
    pub async fn cursor(
        &self,
        query: &Query,
        read: impl FnOnce(&str) -> Result<Cursor, CursorError>,
    ) -> Result<Option<Cursor>, Problem> {
        let Some(text) = query.get(&parameter::CURSOR)? else { return Ok(None) };
        let opened = self.cursor_seal().await?.open(&text).ok_or(CursorError::Altered);
        opened.and_then(|opened| read(&opened)).map(Some).map_err(|error| cursor_problem(error, &text))
    }

    /// A cursor as the reader gets it, if the list goes on. It may name a call whose id tells a number, and so nobody can read it.
    ///
    /// # Errors
    /// [`Problem::Unavailable`], where the secret can't be read that cursors are sealed by.
    pub async fn next(&self, cursor: Option<&Cursor>) -> Result<Option<String>, Problem> {
        let Some(cursor) = cursor else { return Ok(None) };
        Ok(Some(self.cursor_seal().await?.seal(&cursor.encode())))
    }

    /// By what is ordered that has the same time, since ids may be hidden.
    ///
    /// # Errors
    /// [`Problem::Unavailable`], where the secret can't be read that it is ordered by.
    pub async fn ties(&self) -> Result<Ties, Problem> {
        let ties = self.reader.cursors.ties(self.callee_ids, self.now).await;
        ties.map_err(|error| Problem::unavailable("The secret that cursors are sealed by", &error))
    }

    /// What a call's item alone tells, if who asks may know of the call. This is to be asked before more of a call is read: one whose id tells a
    /// number that is hidden is then not there for whoever would try it, as soon as one that is not.
    ///
    /// # Errors
    /// [`Problem::NoSuchCall`]; where the table fails.
    pub async fn head_of(&self, key: &CallKey) -> Result<CallHead, Problem> {
        let sees = self.actor.may(Permission::SeeNumbers);
        let may_know = |mask: Mask| sees || mask.may_show(key.call_id.as_str());
        // What is plainly a number can't be tried, whatever is stored.
        if !may_know(Mask::of([])) {
            return Err(Problem::NoSuchCall);
        }
        let head = self.reader.store.call_head(key).await.map_err(problem)?.ok_or(Problem::NoSuchCall)?;
        match &head {
            CallHead::Call { callee_numbers }
                if !may_know(Mask::of(callee_numbers.iter().map(String::as_str))) =>
            {
                Err(Problem::NoSuchCall)
            }
            // It was not there before it was erased.
            CallHead::Erased { is_id_hidden: true } if !sees => Err(Problem::NoSuchCall),
            _ => Ok(head),
        }
    }

    /// Fails where there is no call that who asks may know of: see [`Visit::head_of`]. For whoever may see numbers nothing is read.
    ///
    /// # Errors
    /// [`Problem::NoSuchCall`]; where the table fails.
    pub async fn check_call(&self, key: &CallKey) -> Result<(), Problem> {
        if self.actor.may(Permission::SeeNumbers) {
            return Ok(());
        }
        match self.head_of(key).await? {
            CallHead::Call { .. } => Ok(()),
            CallHead::Erased { .. } => Err(Problem::NoSuchCall),
        }
    }

    async fn cursor_seal(&self) -> Result<CursorSeal, Problem> {
        let seal = self.reader.cursors.seal(self.callee_ids, self.now).await;
        seal.map_err(|error| Problem::unavailable("The secret that cursors are sealed by", &error))
    }

    /// Writes into the access log what is about to be seen: `what`, of one call or of many.
    ///
    /// # Errors
    /// [`Problem::Unavailable`]. Nothing may be shown then.
    pub async fn record(&self, what: What, call: Option<&CallKey>) -> Result<(), Problem> {
        let entry = AccessEntry::new(self.now, self.actor, what, self.via.clone(), call.cloned());
        let entries = [entry];
        let recorded = self.reader.store.record_access(&entries, self.reader.retention);
        match tokio::time::timeout(MAX_RECORDING_TIME, recorded).await {
            Ok(recorded) => recorded.map_err(|error| Problem::unavailable("The access log", &error)),
            // Should it be written later all the same, it tells of a look that came to nothing.
            Err(silence) => Err(Problem::unavailable("The access log", &silence)),
        }
    }
}
