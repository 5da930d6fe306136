//! A proxy before S3 that counts what is asked of it: what would be billed, by the object that it is about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use testkit::proxy::Proxy;

/// How often what was asked for: by method and path.
pub(crate) type Asked = BTreeMap<(String, String), u64>;

/// The proxy. It ends when it is dropped.
pub(crate) struct Tally {
    proxy: Proxy,
    asked: Arc<Mutex<Asked>>,
}

impl Tally {
    pub(crate) async fn start(target: &str) -> Self {
        let asked = Arc::<Mutex<Asked>>::default();
        let counted = Arc::clone(&asked);
        let proxy = Proxy::start(target, move |parts, _| {
            let what = (parts.method.to_string(), parts.uri.path().to_owned());
            *counted.lock().unwrap().entry(what).or_default() += 1;
        });
        Self { proxy: proxy.await, asked }
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.proxy.endpoint()
    }

    /// What was asked for since the last time.
    pub(crate) fn take(&self) -> Asked {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}
