//! By what the cursors of lists are sealed, and by what calls of the same time are ordered. A cursor may name a call whose id tells a number, so
//! nobody is to read one; and the place of such a call among others would tell between which ids it is.
//!
//! That is the key of callees' ids, where there is one; else that of the console's sessions, which every stack with readers has. Where neither
//! is set, as on a machine of one's own, a key is made at each start, and what it sealed is no cursor any more after the next.

use crate::aws::Account;
use crate::config::{ConfigError, Environment};
use shared::access::CalleeIds;
use shared::access::seal::Seal;
use shared::model::Instant;
use shared::reading::Ties;

use super::session::{Sealer, SessionKeyError, SessionKeys};

/// What cursors are sealed for, where sessions are sealed by the same key.
const PURPOSE: &str = "cursor";

/// Cursors are as long as the next multiple of so many bytes: whether one names a call, or stands between two times, its length does not tell.
const LENGTH: usize = 192;
/// What a cursor is filled up with: none has it of its own.
const FILLER: char = '=';

/// Where the keys come from.
#[derive(Debug)]
pub struct CursorKeys {
    sessions: SessionKeys,
    made: Sealer,
}

impl CursorKeys {
    /// Reads the settings of sessions: see [`SessionKeys::read`].
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn read(environment: &Environment<'_>, account: &Account) -> Result<Self, ConfigError> {
        Ok(Self { sessions: SessionKeys::read(environment, account)?, made: Sealer::made() })
    }

    /// What seals cursors, now, where callees have these ids.
    ///
    /// # Errors
    /// [`SessionKeyError`], where the secret of sessions is needed and can't be read.
    pub async fn seal(&self, callee_ids: &CalleeIds, now: Instant) -> Result<CursorSeal, SessionKeyError> {
        match callee_ids.cursors() {
            Some(seal) => Ok(CursorSeal(By::Callees(seal))),
            None => Ok(CursorSeal(By::Sessions(self.sealer(now).await?))),
        }
    }

    /// By what calls of the same time are ordered, under the key that seals their cursors.
    ///
    /// # Errors
    /// [`SessionKeyError`], where the secret of sessions is needed and can't be read.
    pub async fn ties(&self, callee_ids: &CalleeIds, now: Instant) -> Result<Ties, SessionKeyError> {
        match callee_ids.ties() {
            Some(ties) => Ok(ties),
            None => Ok(self.sealer(now).await?.ties()),
        }
    }

    async fn sealer(&self, now: Instant) -> Result<Sealer, SessionKeyError> {
        match self.sessions.sealer(now).await {
            Err(SessionKeyError::NoKey) => Ok(self.made.clone()),
            sealer => sealer,
        }
    }
}

/// Seals cursors, and opens them.
#[derive(Clone, Debug)]
pub struct CursorSeal(By);

#[derive(Clone, Debug)]
enum By {
    Callees(Seal),
    Sessions(Sealer),
}

impl CursorSeal {
    /// A cursor that says nothing, in letters that need no escape in a URL.
    pub fn seal(&self, cursor: &str) -> String {
        let length = cursor.len().next_multiple_of(LENGTH);
        let cursor = &format!("{cursor:=<length$}");
        match &self.0 {
            By::Callees(seal) => seal.seal(cursor),
            By::Sessions(sealer) => sealer.seal(PURPOSE, cursor.as_bytes()),
        }
    }

    /// The cursor that was sealed; `None` where it was not sealed by this key, or altered.
    pub fn open(&self, sealed: &str) -> Option<String> {
        let mut cursor = match &self.0 {
            By::Callees(seal) => seal.open(sealed)?,
            By::Sessions(sealer) => String::from_utf8(sealer.open(PURPOSE, sealed)?).ok()?,
        };
        cursor.truncate(cursor.trim_end_matches(FILLER).len());
        Some(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::config::StoreConfig;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    const KEY: &str = "a canary of thirty-two characters";
    const OTHER: &str = "another canary of thirty-two characters";

    async fn seal(session_key: Option<&str>, callees: CalleeIds) -> CursorSeal {
        let look_up = |name: &str| match name {
            "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
            "DYNAMODB_ENDPOINT" | "S3_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
            "SESSION_KEY" => session_key.map(str::to_owned),
            _ => None,
        };
        let environment = Environment::new(&look_up);
        let account = Account::of_function(&environment, &StoreConfig::read(&environment).unwrap()).unwrap();
        CursorKeys::read(&environment, &account).unwrap().seal(&callees, clock::now()).await.unwrap()
    }

    #[tokio::test]
    async fn a_cursor_does_not_tell_by_its_length_what_it_says() {
        for callees in [CalleeIds::none(), CalleeIds::with_key(KEY.as_bytes()).unwrap()] {
            let seal = seal(Some(KEY), callees).await;
            let [short, long] =
                ["between two times", "call#alicom#13900000000-and-more"].map(|text| seal.seal(text));
            assert_eq!(short.len(), long.len());
            assert_eq!(seal.open(&long).as_deref(), Some("call#alicom#13900000000-and-more"));
        }
    }

    #[tokio::test]
    async fn cursors_are_sealed_whichever_keys_there_are() {
        let cursor = "call#alicom#13900000000";
        let ids = CalleeIds::with_key(KEY.as_bytes()).unwrap();
        for (session_key, callees) in [(Some(KEY), ids.clone()), (Some(KEY), CalleeIds::none()), (None, ids)]
        {
            let sealed = seal(session_key, callees.clone()).await.seal(cursor);
            let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains("1390"), "{sealed}");
            // Another process of the same stack opens it, and none of another.
            assert_eq!(seal(session_key, callees).await.open(&sealed).as_deref(), Some(cursor));
            assert_eq!(seal(Some(OTHER), CalleeIds::none()).await.open(&sealed), None);
        }
        // A key is replaced while people walk over lists.
        let sealed = seal(Some(KEY), CalleeIds::none()).await.seal(cursor);
        let both = format!("{OTHER},{KEY}");
        assert_eq!(seal(Some(&both), CalleeIds::none()).await.open(&sealed).as_deref(), Some(cursor));
    }

    #[tokio::test]
    async fn without_any_key_one_is_made_at_each_start() {
        let one = seal(None, CalleeIds::none()).await;
        let sealed = one.seal("call#alicom#13900000000");
        assert_eq!(one.open(&sealed).as_deref(), Some("call#alicom#13900000000"));
        assert_eq!(seal(None, CalleeIds::none()).await.open(&sealed), None);
        assert!(!format!("{one:?}").contains("canary"));
    }
}
