//! A walk over pages sees every call once that was there when it began and did not move meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use runtime::store::Store;
use runtime::store::reading::CallPage;
use shared::model::Instant;
use shared::reading::{CallFilter, Cursor, Order, Ties};
use shared::record::keys;

use crate::index::{Behind, Lagging};
use crate::population::{Asked, Call, callee_id, stack, store_by, time};

/// How many populations are walked, and how many lists of each.
const POPULATIONS: u64 = 3;
const LISTS: usize = 14;

/// By what calls of the same time are ordered: as for readers.
fn ties() -> Ties {
    Ties::under(b"a key that nobody else has")
}

/// All pages of a list, each cursor by way of its text. `between` is done after each page.
async fn walk(
    store: &Store,
    filter: &CallFilter,
    limit: impl Fn() -> usize,
    mut between: impl FnMut(usize),
) -> Vec<(Instant, String)> {
    let (mut found, mut cursor, ties) = (Vec::new(), None::<Cursor>, ties());
    for page in 0.. {
        assert!(page < 5_000, "it has no end");
        let limit = limit();
        let CallPage { calls, next, scanned, unreadable } =
            store.list_calls(filter, cursor.as_ref(), limit, &callee_id, &ties).await.unwrap();
        assert!(calls.len() <= limit && calls.len() as u64 <= scanned && unreadable == 0);
        for call in calls {
            assert!(!call.record.facts.contains_key("status"));
            found.push((call.call_at, keys::call_pk(&call.key)));
        }
        let Some(next) = next else { return found };
        let text = next.encode();
        assert_ne!(Some(&next), cursor.as_ref(), "it stands still");
        cursor = Some(Cursor::decode(&text, filter).unwrap());
        between(page);
    }
    unreachable!()
}

/// What is expected of a list, in its order.
fn truth<'a>(asked: &Asked, calls: impl IntoIterator<Item = &'a Call>) -> Vec<(Instant, String)> {
    let mut places: Vec<_> = calls.into_iter().filter(|call| asked.means(call)).map(Call::place).collect();
    sort(&mut places, asked.filter.order);
    places
}

/// As a list has them.
fn sort(places: &mut [(Instant, String)], order: Order) {
    let ties = ties();
    places.sort_by_key(|(at, pk)| (*at, ties.place(pk), pk.clone()));
    if order == Order::Descending {
        places.reverse();
    }
}

/// One that changes calls for as long as it lives: they come, change, move, go; the indexes follow later.
fn racer(
    store: Store,
    lagging: Arc<Lagging>,
    mut random: Rng,
    mut calls: Vec<Call>,
    stop: Arc<AtomicBool>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut held = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            let at = random.usize(..calls.len());
            let call = &mut calls[at];
            let pk = call.pk();
            let before = store.table().get(&pk, keys::CALL).await.unwrap();
            let what = if random.bool() { Behind::Index } else { Behind::Replica };
            lagging.hold(&pk, what, before.filter(|item| !item.contains_key("erased_at")));
            held.push(pk);
            match random.u8(..5) {
                0 => call.erase(&store).await,
                _ => {
                    *call = Call { key: call.key.clone(), ..Call::random(&mut random, 0) };
                    call.put(&store).await;
                }
            }
            if held.len() > 5 {
                lagging.release(&held.remove(0));
            }
        }
        held.iter().for_each(|pk| lagging.release(pk));
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_sees_every_call_once_whatever_is_written_meanwhile_and_however_far_the_indexes_are_behind() {
    for _ in 0..POPULATIONS {
        let seed = fastrand::u64(..);
        let mut random = Rng::with_seed(seed);
        let stack = stack().await;
        let endpoint = stack.stores().dynamodb_endpoint.clone().unwrap();
        let direct = stack.store();
        let lagging = Arc::new(Lagging::start(&endpoint, Duration::ZERO).await);
        let store = store_by(&stack, &lagging.endpoint);

        let mut calls: Vec<_> =
            (0..random.usize(40..150)).map(|number| Call::random(&mut random, number)).collect();
        for call in &calls {
            call.put(direct).await;
        }
        let racing: Vec<_> = (1_000..1_030).map(|number| Call::random(&mut random, number)).collect();

        for _ in 0..LISTS {
            let asked = Asked::random(&mut random);
            let limits = [[1, 1], [2, 7], [3, 3], [50, 50], [1, 1_000]][random.usize(..5)];
            let limit = || limits[fastrand::usize(..2)];
            // Some have changed a moment before: the indexes, or a replica, tell of them as they were, until the walk is under way.
            let mut late = BTreeMap::new();
            for _ in 0..random.usize(..8) {
                let at = random.usize(..calls.len());
                let pk = calls[at].pk();
                if late.contains_key(&pk) {
                    continue;
                }
                let what = if random.bool() { Behind::Index } else { Behind::Replica };
                lagging.hold(&pk, what, Some(calls[at].item()));
                let moved = Call { call_at: time(&mut random), intent: "A", ..calls[at].clone() };
                moved.put(direct).await;
                calls[at] = moved;
                late.insert(pk, what);
            }
            let stop = Arc::new(AtomicBool::new(false));
            let racer = racer(
                store_by(&stack, &endpoint),
                Arc::clone(&lagging),
                random.fork(),
                racing.clone(),
                Arc::clone(&stop),
            );
            let release = |page| {
                if page == 1 {
                    late.keys().for_each(|pk| lagging.release(pk));
                }
            };
            let found = walk(&store, &asked.filter, limit, release).await;
            stop.store(true, Ordering::SeqCst);
            racer.await.unwrap();
            late.keys().for_each(|pk| lagging.release(pk));

            let told = || format!("seed {seed}, pages of {limits:?}, {:?}", asked.filter);
            let is_racing: BTreeSet<_> = racing.iter().map(Call::pk).collect();
            let of_those = |found: &[(Instant, String)]| {
                found
                    .iter()
                    .filter(|(_, pk)| !is_racing.contains(pk) && !late.contains_key(pk))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            let expected = truth(&asked, calls.iter().filter(|call| !late.contains_key(&call.pk())));
            assert_eq!(of_those(&found), expected, "{}", told());
            for pk in late.keys() {
                assert!(found.iter().filter(|(_, known)| known == pk).count() <= 1, "{pk} twice: {}", told());
            }
            // Once all has come to rest there is nothing that is not told.
            let found = walk(&store, &asked.filter, limit, |_| {}).await;
            let found: Vec<_> = found.into_iter().filter(|(_, pk)| !is_racing.contains(pk)).collect();
            assert_eq!(found, truth(&asked, &calls), "at rest: {}", told());
        }
        drop(lagging);
        stack.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_the_same_millisecond_are_walked_whatever_the_size_of_a_page() {
    let stack = stack().await;
    let endpoint = stack.stores().dynamodb_endpoint.clone().unwrap();
    let lagging = Lagging::start(&endpoint, Duration::ZERO).await;
    let store = store_by(&stack, &lagging.endpoint);
    let mut random = Rng::new();
    let call_at: Instant = "2025-06-01T02:00:00.000Z".parse().unwrap();
    let mut calls = Vec::new();
    for number in 0..80 {
        let at = if number % 40 == 0 { call_at.plus_seconds(number / 40 - 1) } else { call_at };
        let call = Call::random(&mut random, usize::try_from(number).unwrap());
        let call = Call { call_at: at, task: Some("1"), ..call };
        call.put(stack.store()).await;
        calls.push(call);
    }
    for (days, task) in [(Some("2025-06-01"), None), (None, Some("1"))] {
        for order in [Order::Ascending, Order::Descending] {
            let filter = CallFilter {
                days: days.map(|days| days.parse().unwrap()),
                task: task.map(str::to_owned),
                order,
                ..CallFilter::default()
            };
            let mut expected: Vec<_> = calls.iter().map(Call::place).collect();
            sort(&mut expected, order);
            for limit in [1, 7, 50, 79, 1_000] {
                let found = walk(&store, &filter, || limit, |_| {}).await;
                assert_eq!(found, expected, "{order:?}, pages of {limit}");
            }
        }
    }
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calls_of_an_id_are_found_without_a_day_and_those_of_today_without_any() {
    let stack = stack().await;
    let store = stack.store();
    let mut random = Rng::new();
    let now = runtime::clock::now();
    let mut expected = Vec::new();
    for (number, days) in [0, 1, 40, 200].into_iter().enumerate() {
        for callee in ["13900000001", "13900000002"] {
            let id = number * 2 + usize::from(callee.ends_with('2'));
            let call_at = now.plus_seconds(-days * 86_400);
            let call = Call { call_at, callee: Some(callee), ..Call::random(&mut random, id) };
            call.put(store).await;
            if callee.ends_with('1') {
                expected.push(call.place());
            }
        }
    }
    let filter = CallFilter { callee_id: callee_id("13900000001"), ..CallFilter::default() };
    let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
    while found.len() < expected.len() {
        let page = store.list_calls(&filter, cursor.as_ref(), 50, &callee_id, &Ties::by_key()).await.unwrap();
        found.extend(page.calls.into_iter().map(|call| (call.call_at, keys::call_pk(&call.key))));
        cursor = Some(page.next.expect("it goes on for years"));
        pages += 1;
    }
    assert_eq!(found, expected);
    assert!((2..=8).contains(&pages), "{pages}: a page asks for some two months");

    let today =
        store.list_calls(&CallFilter::default(), None, 50, &callee_id, &Ties::by_key()).await.unwrap();
    let today = today.calls.into_iter().map(|call| call.call_at).collect::<BTreeSet<_>>();
    // Midnight may have passed.
    assert!(today == BTreeSet::from([now]) || today.is_empty(), "{today:?}");
    stack.stop().await.unwrap();
}
